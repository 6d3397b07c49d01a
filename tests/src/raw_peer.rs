//! A peer that speaks libp2p and opens the link's protocol, but writes whatever it likes.

use std::time::Duration;

use libp2p::futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, StreamProtocol, SwarmBuilder, identity, multiaddr::Protocol, noise,
    swarm::SwarmEvent, tcp, yamux,
};
use mica_protocol::{Message, wire::FrameDecoder};
use tokio::time::timeout;

/// Longest wait for anything that the other side does.
const DEADLINE: Duration = Duration::from_secs(30);

/// Connects to the worker with this peer key, writes `bytes` into a stream, and returns what is
/// answered until the worker hangs up.
pub async fn send_bytes(peer: &[u8; 32], address: &str, bytes: &[u8]) -> Vec<Message> {
    let mut swarm = SwarmBuilder::with_existing_identity(identity::Keypair::generate_ed25519())
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(DEADLINE))
        .build();
    let mut control = swarm.behaviour().new_control();
    let peer = mica_net::peer_id(peer).expect("a peer key");
    let address: Multiaddr = address.parse().expect("an address");
    swarm.dial(address.with_p2p(peer).expect("the worker's own address")).expect("dialled");
    while !matches!(
        timeout(DEADLINE, swarm.select_next_some()).await.expect("connected in time"),
        SwarmEvent::ConnectionEstablished { .. }
    ) {}
    let hung_up = tokio::spawn(async move {
        while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {}
    });
    let opened = control.open_stream(peer, StreamProtocol::new("/mica/link/1"));
    let mut stream = timeout(DEADLINE, opened)
        .await
        .expect("opened in time")
        .expect("the worker speaks the protocol");
    stream.write_all(bytes).await.expect("written");
    stream.flush().await.expect("written");
    let (mut decoder, mut buffer, mut answers) = (FrameDecoder::new(), vec![0; 4096], Vec::new());
    while let Ok(Ok(count @ 1..)) = timeout(DEADLINE, stream.read(&mut buffer)).await {
        decoder.push(&buffer[..count]);
        while let Ok(Some(message)) = decoder.next_message() {
            answers.push(message);
        }
    }
    // The worker waits for this before it cuts the connection, though not for long.
    drop(stream);
    timeout(DEADLINE, hung_up).await.expect("the worker hangs up").expect("no panic");
    answers
}

/// The TCP address among a worker's addresses.
pub fn tcp_address(addresses: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut texts =
        addresses.into_iter().map(|address| String::from_utf8_lossy(address.as_ref()).into_owned());
    let is_tcp = |text: &String| {
        text.parse::<Multiaddr>()
            .is_ok_and(|address| address.iter().any(|p| matches!(p, Protocol::Tcp(_))))
    };
    texts.find(is_tcp).expect("workers listen on TCP")
}
