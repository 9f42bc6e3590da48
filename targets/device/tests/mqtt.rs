//! Answers published to a broker: a small one of the test, on the client's own packets, and
//! mosquitto where it is installed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use offshoot::Extractor;
use offshoot_device::{
    Action, Broker, Buttons, CapturedFrame, Flow, FrameSource, Login, MqttOptions, NoLed, Ports,
    Publisher, Session, Settings, SourceError, WebError, publish,
};
use rumqttc::{ConnAck, ConnectReturnCode, Packet, PubAck};
use serde_json::Value;

const WAIT: Duration = Duration::from_secs(10);

/// Camera of one grey scene after the other.
struct Camera(u8);

impl FrameSource for Camera {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        let half = self.0;
        for (i, value) in shot.reshape(8, 8).iter_mut().enumerate() {
            *value = if (i / 3 % 8 < 4) == (half == 0) { 250 } else { 5 };
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

/// One press.
struct Press(Option<Action<'static>>);

impl Buttons for Press {
    fn poll(&mut self) -> Option<Action<'_>> {
        self.0.take()
    }
}

/// Device that is stepped by the test.
struct Device {
    session: Session,
    camera: Camera,
    publisher: Publisher,
}

impl Device {
    fn new(publisher: Publisher) -> Self {
        let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/tests/tiny.offshoot");
        let names = vec!["mug".to_string(), "pen".to_string()];
        let settings = Settings { names, ..Settings::default() };
        let session = Session::new(Extractor::open(tiny).unwrap(), None, settings).unwrap();
        Self { session, camera: Camera(0), publisher }
    }

    fn step(&mut self, press: Option<Action<'static>>) {
        let mut ports = Ports {
            source: &mut self.camera,
            buttons: &mut Press(press),
            screen: &mut self.publisher,
            led: &mut NoLed,
        };
        assert_eq!(self.session.step(&mut ports).unwrap(), Flow::Next);
    }

    /// Teaches both scenes, and looks at the first until it is recognized.
    fn teach(&mut self) {
        for class in 0..2 {
            self.camera.0 = class;
            (0..3).for_each(|_| self.step(Some(Action::Teach(class.into()))));
        }
        self.look(0);
    }

    fn look(&mut self, scene: u8) {
        self.camera.0 = scene;
        (0..12).for_each(|_| self.step(None));
    }
}

/// Connection of a client to the broker of the test.
struct Client {
    stream: TcpStream,
    bytes: BytesMut,
}

impl Client {
    fn read(&mut self) -> Option<Packet> {
        let mut part = [0; 4096];
        loop {
            if let Ok(packet) = Packet::read(&mut self.bytes, 1 << 20) {
                return Some(packet);
            }
            match self.stream.read(&mut part) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.bytes.extend_from_slice(&part[..count]),
            }
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let mut bytes = BytesMut::new();
        write(&mut bytes);
        self.stream.write_all(&bytes).unwrap();
    }

    /// Answers the first packet, and returns it.
    fn welcome(&mut self, code: ConnectReturnCode) -> Packet {
        let first = self.read().unwrap();
        self.write(|bytes| {
            ConnAck { session_present: false, code }.write(bytes).unwrap();
        });
        first
    }

    /// Returns the next retained message.
    fn message(&mut self) -> Option<(String, String)> {
        loop {
            match self.read()? {
                Packet::Publish(message) => {
                    assert!(message.retain);
                    self.write(|bytes| {
                        PubAck::new(message.pkid).write(bytes).unwrap();
                    });
                    let text = String::from_utf8(message.payload.to_vec()).unwrap();
                    return Some((message.topic, text));
                }
                Packet::PingReq => {}
                Packet::Disconnect => return None,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Returns the messages after a connection, the last one about presence.
    fn greeting(&mut self) -> Vec<(String, String)> {
        (0..3).map(|_| self.message().unwrap()).collect()
    }
}

fn accept(listener: &TcpListener) -> Client {
    let stream = listener.accept().unwrap().0;
    stream.set_read_timeout(Some(WAIT)).unwrap();
    Client { stream, bytes: BytesMut::new() }
}

fn listen() -> (TcpListener, MqttOptions) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let broker = format!("127.0.0.1:{}/kitchen", listener.local_addr().unwrap().port());
    let login = Login { user: "u".to_string(), password: "secret".to_string() };
    (listener, MqttOptions { broker: broker.parse().unwrap(), login: Some(login) })
}

/// Runs the broker on a thread of its own.
fn serve(
    listener: TcpListener,
    serve: impl FnOnce(TcpListener, Sender<(String, String)>) + Send + 'static,
) -> Receiver<(String, String)> {
    let (sender, receiver) = channel();
    thread::spawn(move || serve(listener, sender));
    receiver
}

/// Checks the messages of one greeting.
fn check_greeting(messages: &[(String, String)]) {
    for (key, (topic, config)) in ["class", "confidence"].iter().zip(messages) {
        assert_eq!(topic, &format!("homeassistant/sensor/offshoot_kitchen/{key}/config"));
        let config: Value = serde_json::from_str(config).unwrap();
        assert_eq!(config["state_topic"], "offshoot/kitchen/state");
        assert_eq!(config["availability_topic"], "offshoot/kitchen/availability");
        assert_eq!(config["unique_id"], format!("offshoot_kitchen_{key}"));
    }
    let presence = ("offshoot/kitchen/availability".to_string(), "online".to_string());
    assert_eq!(messages[2], presence);
}

#[test]
fn answers_presence_and_discovery_are_published_and_again_after_a_reconnection() {
    let (listener, options) = listen();
    let messages = serve(listener, |listener, sender| {
        // The first connection is cut after the second answer.
        for answers in [2, usize::MAX] {
            let mut client = accept(&listener);
            let Packet::Connect(connect) = client.welcome(ConnectReturnCode::Success) else {
                panic!("no CONNECT")
            };
            let will = connect.last_will.unwrap();
            assert_eq!(will.topic, "offshoot/kitchen/availability");
            assert!(will.retain && will.message == "offline");
            let login = connect.login.unwrap();
            assert_eq!((login.username.as_str(), login.password.as_str()), ("u", "secret"));
            client.greeting().into_iter().for_each(|message| sender.send(message).unwrap());
            for _ in 0..answers {
                let Some(message) = client.message() else { break };
                sender.send(message).unwrap();
            }
        }
    });
    assert!(!format!("{options:?}").contains("secret"));
    let publisher = publish(&options).unwrap();
    assert_eq!((publisher.notice(), publisher.topic()), (None, "offshoot/kitchen/state"));
    let mut device = Device::new(publisher);
    device.teach();
    let mut seen = Vec::new();
    let end = Instant::now() + WAIT;
    while seen.len() < 11 && Instant::now() < end {
        device.look(1);
        device.look(0);
        seen.extend(messages.try_iter());
        thread::sleep(Duration::from_millis(5));
    }
    drop(device);
    seen.extend(messages);
    check_greeting(&seen[..3]);
    check_greeting(&seen[5..8]);
    let offline = ("offshoot/kitchen/availability".to_string(), "offline".to_string());
    assert_eq!(seen.last(), Some(&offline));
    let answers = [&seen[3..5], &seen[8..seen.len() - 1]];
    for answers in answers {
        let answers = answers.iter().map(|(topic, text)| {
            assert_eq!(topic, "offshoot/kitchen/state");
            serde_json::from_str::<Value>(text).unwrap()
        });
        let answers: Vec<Value> = answers.collect();
        for answer in &answers {
            assert!(answer["confidence"].as_f64().is_some_and(|mean| (0.0..=1.0).contains(&mean)));
            assert!(answer["samples"]["mug"].as_u64().is_some());
        }
        // Published when it changes, not each frame.
        for pair in answers.windows(2) {
            let answer = |at: usize| (&pair[at]["class"], &pair[at]["nearest"]);
            assert_ne!(answer(0), answer(1));
        }
    }
    let classes = seen[8..].iter().filter(|(_, text)| text.contains(r#""class":"pen""#));
    assert!(classes.count() > 0);
}

#[test]
fn a_broker_that_refuses_is_an_error_and_one_that_is_away_is_not() {
    let (listener, options) = listen();
    thread::spawn(move || accept(&listener).welcome(ConnectReturnCode::NotAuthorized));
    let error = publish(&options).unwrap_err();
    assert!(matches!(&error, WebError::Mqtt { .. }), "{error}");
    assert!(
        error.to_string().contains("NotAuthorized")
            && error.to_string().contains("OFFSHOOT_MQTT_USER")
    );

    let (listener, options) = listen();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let publisher = publish(&options).unwrap();
    let notice = publisher.notice().unwrap();
    assert!(notice.contains(&address.to_string()) && notice.contains("tried again"), "{notice}");
    // It comes later, and has the newest answer at once.
    let mut device = Device::new(publisher);
    device.teach();
    let listener = TcpListener::bind(address).unwrap();
    let messages = serve(listener, |listener, sender| {
        let mut client = accept(&listener);
        client.welcome(ConnectReturnCode::Success);
        while let Some(message) = client.message() {
            let _ = sender.send(message);
        }
    });
    let end = Instant::now() + WAIT;
    loop {
        device.look(0);
        let state = messages.try_iter().find(|(topic, _)| topic.ends_with("state"));
        if let Some((_, state)) = state {
            assert!(state.contains(r#""class":"mug""#), "{state}");
            break;
        }
        assert!(Instant::now() < end, "no answer");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_silent_broker_holds_nothing_up() {
    let (listener, options) = listen();
    let started = Instant::now();
    let mut device = Device::new(publish(&options).unwrap());
    assert!(device.publisher.notice().is_some());
    device.teach();
    drop(device);
    assert!(started.elapsed() < Duration::from_secs(6));
    drop(listener);
}

#[test]
#[ignore = "wants mosquitto and mosquitto_sub"]
fn mosquitto_has_the_answers() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let broker: Broker = format!("127.0.0.1:{port}/kitchen").parse().unwrap();
    let mosquitto = Command::new("mosquitto").args(["-p", &port.to_string()]).spawn();
    let mut mosquitto = mosquitto.expect("mosquitto starts");
    let end = Instant::now() + WAIT;
    while TcpStream::connect(("127.0.0.1", port)).is_err() && Instant::now() < end {
        thread::sleep(Duration::from_millis(50));
    }
    let mut device = Device::new(publish(&MqttOptions { broker, login: None }).unwrap());
    assert_eq!(device.publisher.notice(), None);
    device.teach();
    // Retained: who comes later has them at once.
    let subscribe = || {
        let port = port.to_string();
        let mut subscriber = Command::new("mosquitto_sub");
        subscriber.args(["-p", &port, "-t", "#", "-v", "-C", "4", "-W", "5"]);
        let out = subscriber.stderr(Stdio::null()).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    thread::sleep(Duration::from_millis(500));
    let seen = subscribe();
    drop(device);
    let after = subscribe();
    mosquitto.kill().unwrap();
    mosquitto.wait().unwrap();
    assert!(seen.contains("offshoot/kitchen/availability online"), "{seen}");
    assert!(
        seen.contains(r#"offshoot/kitchen/state {"event":"classified","class":"mug""#),
        "{seen}"
    );
    assert!(seen.contains("homeassistant/sensor/offshoot_kitchen/class/config {"), "{seen}");
    assert!(after.contains("offshoot/kitchen/availability offline"), "{after}");
}
