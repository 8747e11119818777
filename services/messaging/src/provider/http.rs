//! HTTP for webhooks and platforms: only to addresses that the policy allows, and to none that an answer names.

use kernel::{Error, Result};
use reqwest::{RequestBuilder, Url};

use super::{Policy, Surroundings};

/// A client. It connects to the very addresses that were judged, follows no redirects, and knows no proxy of the
/// environment.
pub(super) struct Http {
    client: reqwest::Client,
    policy: Policy,
}

impl Http {
    pub(super) fn new(policy: Policy, around: &Surroundings) -> Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(around.timeout)
            .connect_timeout(around.timeout)
            .dns_resolver(policy)
            .build()
            .map_err(|cause| Error::internal("an HTTP client cannot be made").caused_by(cause))?;
        Ok(Self { client, policy })
    }

    /// A POST.
    ///
    /// # Errors
    /// Why it may not go there, for people.
    pub(super) fn post(&self, url: &str) -> Result<RequestBuilder, String> {
        Ok(self.client.post(self.judged(url)?))
    }

    /// The address, read. The resolver judges names; an address written in the URL never meets it, so it is judged
    /// here, in whatever way it is written: reading the URL has made it plain.
    ///
    /// # Errors
    /// Why it may not be reached, for people.
    pub(super) fn judged(&self, url: &str) -> Result<Url, String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        match host.parse() {
            Ok(address) if !self.policy.allows(address) => Err(Policy::refusal(host)),
            _ => Ok(url),
        }
    }
}

/// An error of the HTTP client without the address, which may carry tokens.
pub(super) fn describe(error: reqwest::Error) -> String {
    chassis::status::chain(&error.without_url())
}

#[cfg(test)]
mod tests;
