//! Golden vectors of the envelope (platforms.md 1.2, letters C to F), recomputed there with third-party packages.

/// One sealed message and its signature.
pub(crate) struct Vector {
    pub(crate) token: &'static str,
    pub(crate) key: &'static str,
    pub(crate) receiver: &'static str,
    pub(crate) timestamp: &'static str,
    pub(crate) nonce: &'static str,
    pub(crate) sealed: &'static str,
    pub(crate) signature: &'static str,
}

const WECOM_KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";
const OA_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// C: a message in safe mode.
pub(crate) const OA_SAFE: Vector = Vector {
    token: "AAAAA",
    key: OA_KEY,
    receiver: "wxba5fad812f8e6fb9",
    timestamp: "1714112445",
    nonce: "415670741",
    sealed: "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=",
    signature: "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3",
};

/// D: a sealed reply.
pub(crate) const OA_REPLY: Vector = Vector {
    token: "AAAAA",
    key: OA_KEY,
    receiver: "wxba5fad812f8e6fb9",
    timestamp: "1713424427",
    nonce: "415670741",
    sealed: "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ==",
    signature: "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1",
};

/// E: the `echostr` of WeCom's URL verification; its key has spare bits set.
pub(crate) const WECOM_URL: Vector = Vector {
    token: "QDG6eK",
    key: WECOM_KEY,
    receiver: "wx5823bf96d3bd56c7",
    timestamp: "1409659589",
    nonce: "263014780",
    sealed: "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==",
    signature: "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
};

/// F: a message of WeCom, from the official demo.
pub(crate) const WECOM_MESSAGE: Vector = Vector {
    token: "QDG6eK",
    key: WECOM_KEY,
    receiver: "wx5823bf96d3bd56c7",
    timestamp: "1409659813",
    nonce: "1372623149",
    sealed: "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q==",
    signature: "477715d11cdb4164915debcba66cb864d751f3e6",
};
