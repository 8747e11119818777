//! Which calls to a service elsewhere are made again.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use chassis::{Caller, rpc};
use futures::future::{BoxFuture, join_all};
use kernel::{Error, Kind, Workspace};
use testkit::{Keys, Stage};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use tower::Service;

use crate::elsewhere::mirror;

const READS: &str = "/guanxi.identity.v1.IdentityService/GetCustomer";
const WRITES: &str = "/guanxi.identity.v1.IdentityService/MergeCustomers";

/// Counts its calls and answers all of them alike.
#[derive(Clone)]
struct Counter {
    status: Status,
    asked: Arc<AtomicUsize>,
}

impl NamedService for Counter {
    const NAME: &'static str = "guanxi.identity.v1.IdentityService";
}

impl Service<http::Request<Body>> for Counter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let status = self.status.clone();
        Box::pin(async move { Ok(status.into_http()) })
    }
}

struct Two {
    here: Stage,
    asked: [Arc<AtomicUsize>; 2],
    /// Ends the first one as a process that drains does.
    stop: CancellationToken,
    addresses: Vec<String>,
    _servers: JoinSet<()>,
}

impl Two {
    async fn answering(code: Code) -> Self {
        Self::saying(Status::new(code, "as told")).await
    }

    async fn saying(status: Status) -> Self {
        let asked: [Arc<AtomicUsize>; 2] = Default::default();
        let mut servers = JoinSet::new();
        let mut addresses = Vec::new();
        let stop = CancellationToken::new();
        for (asked, stopped) in asked.iter().zip([stop.clone(), CancellationToken::new()]) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses.push(format!("http://{}", listener.local_addr().unwrap()));
            let service = Counter { status: status.clone(), asked: asked.clone() };
            let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
            servers.spawn(async move {
                tonic::transport::Server::builder()
                    .add_service(service)
                    .serve_with_incoming_shutdown(incoming, stopped.cancelled_owned())
                    .await
                    .unwrap();
            });
        }
        let setting = format!("common.services.identity={}", addresses.join(","));
        Self {
            here: mirror(&Keys::new().unwrap(), &[setting]).await,
            asked,
            stop,
            addresses,
            _servers: servers,
        }
    }

    async fn call(&self, path: &'static str) -> Status {
        self.call_within(Duration::from_secs(60), path).await
    }

    async fn call_within(&self, time: Duration, path: &'static str) -> Status {
        let caller = Caller::system(Workspace::new("demo"), "test");
        let mut request = rpc::request(&caller, ());
        request.set_timeout(time);
        let mut client = tonic::client::Grpc::new(self.here.running.rpc.to("identity"));
        client.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static(path);
        let codec = ProstCodec::<(), ()>::default();
        client.unary(request, path, codec).await.unwrap_err()
    }

    /// The first is one that stands still: the system makes connections to it, and nobody takes them.
    async fn one_still(code: Code) -> (Self, TcpListener) {
        let mut two = Self::answering(code).await;
        let still = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let setting =
            format!("common.services.identity=http://{},{}", still.local_addr().unwrap(), two.addresses[1]);
        two.here = mirror(&Keys::new().unwrap(), &[setting]).await;
        (two, still)
    }

    fn asked(&self) -> [usize; 2] {
        [0, 1].map(|at| self.asked[at].load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn what_only_reads_is_asked_of_the_other_replica_when_one_cannot() {
    let two = Two::answering(Code::Unavailable).await;
    let status = two.call(READS).await;
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "as told"));
    assert_eq!(two.asked(), [1, 1], "each once, and no more");
}

#[tokio::test]
async fn what_changes_something_is_asked_once() {
    let two = Two::answering(Code::Unavailable).await;
    assert_eq!(two.call(WRITES).await.code(), Code::Unavailable);
    assert_eq!(two.asked().iter().sum::<usize>(), 1);
}

/// Nothing was begun there. Who asked learns when to come again from the last one that had no place.
#[tokio::test]
async fn what_a_full_replica_turns_away_is_asked_of_the_other_one() {
    let full = Error::new(Kind::Exhausted, "OVERLOADED", "full").retry_after(Duration::from_secs(3));
    for path in [READS, WRITES] {
        let two = Two::saying(chassis::status::to_status(&full)).await;
        let told = chassis::status::from_status(&two.call(path).await);
        assert_eq!((told.kind, told.retry_after), (full.kind, full.retry_after));
        assert_eq!(two.asked(), [1, 1], "each once, and no more");
    }
}

#[tokio::test]
async fn other_answers_are_final() {
    let two = Two::answering(Code::ResourceExhausted).await;
    assert_eq!(two.call(READS).await.code(), Code::ResourceExhausted);
    assert_eq!(two.asked().iter().sum::<usize>(), 1);
}

/// A replica that drains finishes what it has begun and begins nothing more: what it turned away is done by the other one.
#[tokio::test]
async fn every_change_is_done_once_while_a_replica_goes() {
    let two = Two::answering(Code::NotFound).await;
    let load = async {
        for _ in 0..100 {
            for status in join_all((0..20).map(|_| two.call(WRITES))).await {
                assert_eq!(status.code(), Code::NotFound, "{status}");
            }
        }
    };
    let going = async {
        while two.asked()[0] < 300 {
            tokio::task::yield_now().await;
        }
        two.stop.cancel();
    };
    tokio::join!(load, going);
    let asked = two.asked();
    assert_eq!(asked.iter().sum::<usize>(), 2_000);
    assert!(asked[1] > 1_000, "{asked:?}");
}

/// Else every call to an overloaded service would become two.
#[tokio::test]
async fn repeating_has_a_budget() {
    let two = Two::answering(Code::Unavailable).await;
    for _ in 0..1_000 {
        two.call(READS).await;
    }
    let repeated = two.asked().iter().sum::<usize>() - 1_000;
    assert!((100..500).contains(&repeated), "{repeated} of 1,000 were repeated");
}

/// Connections that end before anything is answered: a read is made again, and what changes something is not, since it
/// may have been done.
#[tokio::test]
async fn a_connection_that_ends_leaves_changes_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    server.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            // It reads the request, and goes away.
            let mut seen = [0; 512];
            let mut all = 0;
            while all < 200 {
                stream.readable().await.unwrap();
                all += stream.try_read(&mut seen).unwrap_or(0);
            }
        }
    });
    let here = mirror(&Keys::new().unwrap(), &[format!("common.services.identity=http://{address}")]).await;
    let two = Two {
        here,
        asked: Default::default(),
        stop: CancellationToken::new(),
        addresses: Vec::new(),
        _servers: server,
    };
    assert_eq!(two.call(WRITES).await.code(), Code::Unavailable);
    let for_writing = taken.load(Ordering::SeqCst);
    assert_eq!(two.call(READS).await.code(), Code::Unavailable);
    let for_reading = taken.load(Ordering::SeqCst) - for_writing;
    assert!(for_writing < for_reading, "{for_writing} connections for writing, {for_reading} for reading");
}

/// What a server says that has not begun a call, as bytes of HTTP/2: the connection ends and no stream was processed; the
/// stream is refused. And what one says that may have: the stream failed.
#[tokio::test]
async fn what_was_not_begun_is_done_elsewhere_also_when_it_changes_something() {
    const GOAWAY: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const REFUSED_STREAM: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];
    const INTERNAL_ERROR: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 2];
    for (says, begun) in [(GOAWAY, false), (REFUSED_STREAM, false), (INTERNAL_ERROR, true)] {
        let mut two = Two::answering(Code::NotFound).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let strange = listener.local_addr().unwrap();
        two._servers.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // An empty SETTINGS, then what is to be said once the request is there.
            stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
            let (mut seen, mut all) = ([0; 4_096], Vec::new());
            while !all.windows(8).any(|bytes| bytes == b"identity") && all.len() < 300 {
                let read = stream.read(&mut seen).await.unwrap();
                all.extend_from_slice(&seen[..read]);
            }
            stream.write_all(says).await.unwrap();
            std::future::pending::<()>().await;
        });
        let good = two.addresses[1].clone();
        let setting = format!("common.services.identity=http://{strange},{good}");
        two.here = mirror(&Keys::new().unwrap(), &[setting]).await;
        let status = two.call(WRITES).await;
        let expected = if begun { (Code::Unavailable, 0) } else { (Code::NotFound, 1) };
        assert_eq!((status.code(), two.asked()[1]), expected, "{says:?}: {status}");
    }
}

/// Its connection is given up when it does not answer a ping: what only reads is asked of the other one, and so is
/// everything else for a while.
#[tokio::test]
async fn a_replica_that_stands_still_is_found_out() {
    let (two, _still) = Two::one_still(Code::NotFound).await;
    for _ in 0..2 {
        assert_eq!(two.call(READS).await.code(), Code::NotFound);
    }
    for _ in 0..20 {
        assert_eq!(two.call(WRITES).await.code(), Code::NotFound);
    }
    assert_eq!(two.asked()[1], 22);
}

/// Also when callers give up before.
#[tokio::test]
async fn a_replica_that_stands_still_costs_few_calls() {
    let (two, _still) = Two::one_still(Code::NotFound).await;
    let mut late = 0;
    for _ in 0..40 {
        let status = two.call_within(Duration::from_millis(1_500), WRITES).await;
        late += usize::from(status.code() == Code::DeadlineExceeded);
    }
    assert_eq!((late, two.asked()[1]), (1, 39));
}
