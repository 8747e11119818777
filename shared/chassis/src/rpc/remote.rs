//! Calls to a service in another process: signed, within their deadline, spread over its replicas, repeated where that is
//! harmless.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use kernel::{Error, Result};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::retry::budget::{Budget as _, TpsBudget};
use tower::{Service, ServiceExt as _};

use super::Unreached;
use super::context::time_left;
use super::replicas::{Replicas, Taken};
use super::scope::Scopes;
use super::stack::late;
use super::verdict::{self, Verdict};
use crate::auth::issue::CallSigner;
use crate::caller::Caller;
use crate::status::to_status;

/// Attempts of one call, the first included.
const ATTEMPTS: usize = 3;

type Request = http::Request<Body>;
type Response = http::Response<Body>;

/// The way to a service elsewhere. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    name: Arc<str>,
    replicas: Arc<Replicas>,
    methods: Scopes,
    /// `None`: requests bring their own token.
    signer: Option<Arc<CallSigner>>,
    budget: Arc<TpsBudget>,
    /// Who calls.
    via: Arc<str>,
}

impl Remote {
    pub(super) fn new(
        name: &str,
        replicas: Replicas,
        methods: Scopes,
        signer: Option<Arc<CallSigner>>,
    ) -> Self {
        // A fifth of the calls may be repeated, and ten a second in any case: repeating must not be what keeps a
        // service down that is overloaded.
        let budget = Arc::new(TpsBudget::new(Duration::from_secs(10), 10, 0.2));
        Self { name: name.into(), replicas: Arc::new(replicas), methods, signer, budget, via: "".into() }
    }

    /// Calls by that service.
    pub(super) fn by(&self, service: &Arc<str>) -> Self {
        Self { via: service.clone(), ..self.clone() }
    }

    pub(super) fn replicas(&self) -> Arc<Replicas> {
        self.replicas.clone()
    }

    async fn answer(self, mut request: Request) -> Response {
        if let Err(error) = self.sign(&mut request) {
            return to_status(&error).into_http();
        }
        let deadline = Instant::now() + time_left(request.headers());
        let answer = async {
            if self.methods.streams_in(request.uri().path()) {
                self.once(request).await
            } else {
                self.repeated(request).await
            }
        };
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(response)) => self.believed(response),
            Ok(Err(error)) => to_status(&error).into_http(),
            Err(_) => to_status(&late()).into_http(),
        }
    }

    fn sign(&self, request: &mut Request) -> Result<()> {
        if let (Some(signer), Some(caller)) = (&self.signer, request.extensions().get::<Caller>()) {
            let value = signer.authorization(caller, &self.via)?;
            request.headers_mut().insert(http::header::AUTHORIZATION, value);
        }
        Ok(())
    }

    /// Whoever asked has proved who they are, to this process: that another one does not believe what it says of them is
    /// no refusal of theirs, and passes.
    fn believed(&self, answer: Response) -> Response {
        if self.signer.is_none() || verdict::of_answer(&answer) != Verdict::Disbelieved {
            return answer;
        }
        let message = format!(
            "the service `{}` does not believe this process; compare the clocks and the key sets of both",
            self.name
        );
        let said = Status::from_header_map(answer.headers()).map(|status| status.message().to_owned());
        to_status(&Error::unavailable(message).caused_by(said.unwrap_or_default())).into_http()
    }

    /// A stream of requests cannot be kept to be sent again.
    async fn once(&self, request: Request) -> Result<Response> {
        let mut taken = self.take(&[]).await?.ok_or_else(|| self.unreachable("it has no address"))?;
        attempt(&mut taken, request).await.map_err(|cause| self.unreachable(&crate::status::chain(&cause)))
    }

    async fn repeated(&self, request: Request) -> Result<Response> {
        let (parts, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|cause| Error::internal("a request cannot be encoded").caused_by(cause))?;
        let body = body.to_bytes();
        let harmless = self.methods.may_repeat(parts.uri.path());
        self.budget.deposit();
        let (mut tried, mut outcome) = (Vec::new(), None);
        for attempts_left in (0..ATTEMPTS).rev() {
            let Some(mut taken) = self.take(&tried).await? else { break };
            let request = again(&parts, &body);
            let result = attempt(&mut taken, request).await;
            let verdict = match &result {
                Ok(response) => verdict::of_answer(response),
                Err(failure) => verdict::of_failure(failure),
            };
            outcome = Some(result);
            let repeat = match verdict {
                Verdict::Final => false,
                Verdict::NotConnected | Verdict::NotBegun => true,
                Verdict::Full => self.budget.withdraw(),
                Verdict::Disbelieved => self.signer.is_some() && self.budget.withdraw(),
                Verdict::Refused | Verdict::Unknown => harmless && self.budget.withdraw(),
            };
            if !repeat || attempts_left == 0 {
                break;
            }
            // The same address may do when only its connection was at fault.
            if !matches!(verdict, Verdict::NotBegun | Verdict::Unknown) {
                tried.push(taken.replica.address);
            }
        }
        match outcome {
            Some(Ok(response)) => Ok(response),
            Some(Err(cause)) => Err(self.unreachable(&crate::status::chain(&cause))),
            None => Err(self.unreachable("it has no address")),
        }
    }

    async fn take(&self, tried: &[std::net::SocketAddr]) -> Result<Option<Taken>> {
        self.replicas.take(tried).await.map_err(|flaw| self.unreachable(&flaw))
    }

    /// Callers learn which service; where it should have been is for the log.
    fn unreachable(&self, flaw: &str) -> Error {
        tracing::debug!(service = %self.name, flaw, "a call was not answered");
        Error::unavailable(format!("the service `{}` cannot be reached; try again soon", self.name))
            .caused_by(flaw.to_owned())
    }
}

fn again(parts: &http::request::Parts, body: &Bytes) -> Request {
    Request::from_parts(parts.clone(), Body::new(Full::new(body.clone())))
}

async fn attempt(taken: &mut Taken, request: Request) -> Result<Response, tonic::transport::Error> {
    let mut channel = taken.replica.channel.clone();
    let answer = async { channel.ready().await?.call(request).await };
    let result = answer.await;
    taken.settle(result.is_ok());
    result
}

impl Service<Request> for Remote {
    type Response = Response;
    type Error = Unreached;
    type Future = BoxFuture<'static, Result<Response, Unreached>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unreached>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let remote = self.clone();
        Box::pin(async move { Ok(remote.answer(request).await) })
    }
}
