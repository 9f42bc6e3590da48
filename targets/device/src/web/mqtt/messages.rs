//! Messages to a broker: the answers, presence, and how Home Assistant shows them.

use offshoot_service::Event;
use serde::Serialize;
use serde_json::json;

/// Prefix under which Home Assistant looks for devices unless it is set otherwise.
const DISCOVERY: &str = "homeassistant";

/// Retained message.
#[derive(Debug, PartialEq)]
pub struct Message {
    pub topic: String,
    pub payload: String,
}

/// Topics of a device.
#[derive(Debug)]
pub struct Messages {
    name: String,
    state: String,
    availability: String,
}

/// Value of an answer that Home Assistant shows.
struct Sensor {
    /// Last part of the topic and of the id.
    key: &'static str,
    name: &'static str,
    template: &'static str,
    unit: Option<&'static str>,
    icon: &'static str,
}

const SENSORS: [Sensor; 2] = [
    Sensor {
        key: "class",
        name: "Class",
        template: "{{ value_json.class or 'unknown' }}",
        unit: None,
        icon: "mdi:tag",
    },
    Sensor {
        key: "confidence",
        name: "Confidence",
        template: "{{ (value_json.confidence * 100) | round(0) }}",
        unit: Some("%"),
        icon: "mdi:percent",
    },
];

impl Messages {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_string(),
            state: format!("offshoot/{name}/state"),
            availability: format!("offshoot/{name}/availability"),
        }
    }

    /// Topic of the answers.
    pub fn topic(&self) -> &str {
        &self.state
    }

    /// Returns the message of an answer.
    pub fn state(&self, event: &Event) -> Message {
        Message { topic: self.state.clone(), payload: text(event) }
    }

    /// Returns the message that says whether the device answers.
    pub fn availability(&self, is_online: bool) -> Message {
        let payload = if is_online { "online" } else { "offline" };
        Message { topic: self.availability.clone(), payload: payload.to_string() }
    }

    /// Returns the messages that describe the device to Home Assistant (MQTT discovery).
    pub fn discovery(&self) -> Vec<Message> {
        SENSORS.iter().map(|sensor| self.sensor(sensor)).collect()
    }

    fn sensor(&self, sensor: &Sensor) -> Message {
        let Self { name, state, availability } = self;
        let mut config = json!({
            "name": sensor.name,
            "unique_id": format!("offshoot_{name}_{}", sensor.key),
            "state_topic": state,
            "value_template": sensor.template,
            "json_attributes_topic": state,
            "availability_topic": availability,
            "icon": sensor.icon,
            "device": {
                "identifiers": [format!("offshoot_{name}")],
                "name": format!("Offshoot {name}"),
                "manufacturer": "Offshoot",
                "sw_version": env!("CARGO_PKG_VERSION"),
            },
        });
        if let Some(unit) = sensor.unit {
            config["unit_of_measurement"] = unit.into();
            config["state_class"] = "measurement".into();
        }
        let topic = format!("{DISCOVERY}/sensor/offshoot_{name}/{}/config", sensor.key);
        Message { topic, payload: text(&config) }
    }
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers are JSON")
}
