//! A device of its own thread, with a page.
#![allow(dead_code, reason = "every suite uses a part")]

pub mod table;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use offshoot::Extractor;
use offshoot_device::{
    Action, Buttons, Flow, FrameSource, NoLed, Page, Ports, Session, Settings, Step, Tee, Visitors,
    WebOptions, serve,
};

/// Quits when it is told to.
struct Off(Arc<AtomicBool>);

impl Buttons for Off {
    fn poll(&mut self) -> Option<Action<'_>> {
        self.0.load(Ordering::Relaxed).then_some(Action::Quit)
    }
}

/// A loop on a thread, until it is stopped.
pub struct Device<S = Session> {
    pub url: String,
    pub address: SocketAddr,
    off: Arc<AtomicBool>,
    loops: Option<JoinHandle<S>>,
}

impl<S: Step + Send + 'static> Device<S> {
    pub fn start(
        session: S,
        source: impl FrameSource + Send + 'static,
        options: &WebOptions,
    ) -> Self {
        let (page, visitors) = serve(options).unwrap();
        let url = page.url().to_string();
        let authority =
            url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap();
        let address = authority.parse().unwrap();
        let off = Arc::new(AtomicBool::new(false));
        let stop = Off(Arc::clone(&off));
        let loops = Some(thread::spawn(move || run(session, source, (page, visitors), stop)));
        Self { url, address, off, loops }
    }

    /// The session as it was left.
    pub fn stop(mut self) -> S {
        self.off.store(true, Ordering::Relaxed);
        self.loops.take().unwrap().join().unwrap()
    }
}

impl<S> Drop for Device<S> {
    fn drop(&mut self) {
        self.off.store(true, Ordering::Relaxed);
    }
}

fn run<S: Step>(
    mut session: S,
    mut source: impl FrameSource,
    (mut page, visitors): (Page, Visitors),
    off: Off,
) -> S {
    let mut buttons = Tee(off, visitors);
    let mut ports =
        Ports { source: &mut source, buttons: &mut buttons, screen: &mut page, led: &mut NoLed };
    while session.step(&mut ports).unwrap() == Flow::Next {}
    session
}

/// A session with the backbone of this repository, and these names.
pub fn sprout(names: &[&str]) -> Session {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/sprout/sprout.offshoot");
    let names = names.iter().map(|name| (*name).to_string()).collect();
    let settings = Settings { names, patience: Duration::from_millis(20), ..Settings::default() };
    Session::new(Extractor::open(path).unwrap(), None, settings).unwrap()
}

pub fn options(address: &str) -> WebOptions {
    WebOptions { address: address.parse().unwrap(), token: None, has_next: true }
}
