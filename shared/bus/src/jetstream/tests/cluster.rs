//! Three servers that keep each stream three times: what two of them have is not lost with the third.

use std::sync::OnceLock;

use super::port::free_port;
use super::*;

/// Servers that know each other.
struct Cluster {
    servers: Vec<NatsServer>,
}

impl Cluster {
    fn start() -> Result<Self> {
        let mut cluster = Self { servers: Vec::new() };
        for lines in Self::configurations()? {
            cluster.servers.push(NatsServer::start_with(&lines)?);
        }
        Ok(cluster)
    }

    /// Of each of the three.
    fn configurations() -> Result<[String; 3]> {
        let ports = [free_port()?, free_port()?, free_port()?];
        let routes = ports.map(|port| format!("nats-route://127.0.0.1:{port}")).join(", ");
        Ok(ports.map(|port| {
            format!(
                "max_payload: 8MB\nserver_name: \"s{port}\"\n\
                 cluster {{ name: \"test\", listen: \"127.0.0.1:{port}\", routes: [{routes}] }}"
            )
        }))
    }

    /// Names of its own on it, each stream kept three times.
    fn options(&self, partitions: u32) -> Options {
        let urls: Vec<String> = self.servers.iter().map(NatsServer::url).collect();
        Options {
            url: Secret::new(urls.join(",")),
            prefix: NatsServer::prefix(),
            partitions,
            replicas: 3,
            ..Options::default()
        }
    }
}

/// Asks until the servers have agreed on who leads.
async fn agreed<T, F: Future<Output = Result<T>>>(ask: impl Fn() -> F) -> Result<T> {
    let (begin, mut ticks) = (tokio::time::Instant::now(), tokio::time::interval(TICK));
    loop {
        ticks.tick().await;
        match ask().await {
            Err(error) if error.kind == kernel::Kind::Unavailable && begin.elapsed() < DEADLINE => {}
            answer => return answer,
        }
    }
}

/// A part of the cluster that the cases of the contract share.
struct Part {
    options: Options,
}

impl Part {
    fn new() -> Result<Self> {
        static SHARED: OnceLock<Result<Cluster>> = OnceLock::new();
        let cluster = SHARED.get_or_init(|| {
            let cluster = Cluster::start()?;
            cluster.servers.iter().try_for_each(NatsServer::end_with_us)?;
            Ok(cluster)
        });
        let said =
            |error: &kernel::Error| kernel::Error::new(error.kind, error.reason, error.message.clone());
        Ok(Self { options: cluster.as_ref().map_err(said)?.options(2) })
    }
}

impl Backend for Part {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn Log>>> {
        async move { JetStreamLog::connect(self.options.clone()).await.map(|log| log as Arc<dyn Log>) }
            .boxed()
    }
}

crate::contract_tests!(three_replicas, Part::new()?);

/// At the first installation servers come up one by one. Two of three may elect a leader already, who then finds no place
/// for a third replica; current servers wait for the third.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_made_when_the_last_server_has_come() {
    let [first, second, third] = Cluster::configurations().unwrap();
    let servers = [first, second].map(|lines| NatsServer::start_with(&lines).unwrap()).into();
    let mut cluster = Cluster { servers };
    let mut connecting = tokio::task::JoinSet::new();
    connecting.spawn(JetStreamLog::connect(cluster.options(1)));
    let client = async_nats::connect(cluster.servers[0].url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let wanted = |name: &str| async_nats::jetstream::stream::Config {
        name: name.to_owned(),
        num_replicas: 3,
        ..Default::default()
    };
    // They refuse the like of what is being asked of them.
    let refused =
        async || context.create_stream(wanted("another")).await.map(drop).map_err(|e| e.to_string());
    let (begin, mut ticks) = (tokio::time::Instant::now(), tokio::time::interval(TICK));
    let answer = if nats::flushes_at_once() { "temporarily unavailable" } else { "no suitable peers" };
    loop {
        let said = refused().await.unwrap_err();
        if said.contains(answer) {
            break;
        }
        assert!(begin.elapsed() < DEADLINE, "two servers still say: {said}");
        ticks.tick().await;
    }
    cluster.servers.push(NatsServer::start_with(&third).unwrap());
    let log = soon(connecting.join_next()).await.unwrap().unwrap().unwrap();
    agreed(|| log.append(Stream::Events, records(0..3))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_each_server_in_turn() {
    let mut cluster = Cluster::start().unwrap();
    let options = cluster.options(1);
    let appending = Appending::begin(&JetStreamLog::connect(options.clone()).await.unwrap());
    for server in 0..3 {
        appending.goes_on(100).await;
        cluster.servers[server].kill();
        // With what is left, after an election if the leader has died.
        appending.goes_on(100).await;
        cluster.servers[server].restart().unwrap();
    }
    let answered = appending.end().await;
    let log = JetStreamLog::connect(options).await.unwrap();
    agreed(|| log.latest(Stream::Events)).await.unwrap();
    let (mut kept, mut from) = (Vec::new(), 0);
    // A read that an election cuts short says so, and is asked again.
    loop {
        let more = agreed(|| log.read(Stream::Events, 0, from, 10_000)).await.unwrap();
        let Some(last) = more.last() else { break };
        from = last.position + 1;
        kept.extend(more.iter().map(|entry| entry.record.sequence));
    }
    assert_nothing_lost(&answered, kept);
}
