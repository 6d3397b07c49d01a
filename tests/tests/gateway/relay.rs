//! A relay between a program and its node that can be cut and restored while the node keeps serving
//! everybody else.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// The wire. Its threads end with the test's process.
#[derive(Clone)]
pub struct Relay {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_cut: bool,
    streams: Vec<TcpStream>,
}

impl Relay {
    /// From a new port on loopback to `target`.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let relay =
            Self { address: listener.local_addr().expect("an address"), state: Arc::default() };
        let state = relay.state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(target) else { continue };
                let mut state = state.lock().expect("whole");
                if state.is_cut {
                    continue;
                }
                for (from, to) in [(&stream, &far), (&far, &stream)] {
                    let (from, to) =
                        (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
                    state.streams.push(from.try_clone().expect("a handle"));
                    std::thread::spawn(move || copy(from, to));
                }
            }
        });
        relay
    }

    /// Cuts what is open, and refuses what comes.
    pub fn cut(&self) {
        let mut state = self.state.lock().expect("whole");
        state.is_cut = true;
        for stream in state.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets everything through again.
    pub fn mend(&self) {
        self.state.lock().expect("whole").is_cut = false;
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
