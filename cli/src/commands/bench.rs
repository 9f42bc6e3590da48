//! `offshoot bench`.

use std::time::{Duration, Instant};

use offshoot::{Extractor, Memory};
use offshoot_convert::report::{bytes, millions, ms};
use offshoot_core::package::GoldenInput;
use offshoot_device::{Machine, Resident, Temperature, Throttle};
use offshoot_simulator::{Camera, Object};
use serde_json::{Value, json};

use crate::args::BenchArgs;
use crate::error::CommandError;
use crate::learn::embeddings::Input;
use crate::measure::timing::{Float, Layer, Percentiles, Times, agreement, measure};

/// Frame of a small camera: width and height in pixels.
const FRAME: (u32, u32) = (640, 480);

/// Text in place of a value that the machine does not report.
const UNKNOWN: &str = "not reported by this machine";

pub(super) fn run(args: &BenchArgs) -> Result<(), CommandError> {
    let machine = Machine::default();
    let load = machine.load();
    let start = Instant::now();
    let options = args.run.options().row_fusion(!args.no_chains);
    let mut extractor = Extractor::open_with(&args.package, &options)?;
    let opened = start.elapsed();
    let input = input(&extractor);
    let mut float = match &args.compare {
        Some(path) => Some(Float::open(path, &extractor.package(), &input)?),
        None => None,
    };
    let before = Heat::of(&machine);
    let runs = args.runs.map(|runs| runs as usize);
    let times = measure(&mut extractor, &input, float.as_mut(), runs)?;
    let after = Heat::of(&machine);
    let cosine =
        float.as_ref().map(|float| agreement(&mut extractor, &input, float)).transpose()?;
    let resident = machine.resident();
    let outcome =
        Outcome { args, machine, load, extractor, opened, times, cosine, resident, before, after };
    if args.json {
        println!("{:#}", outcome.json());
    } else {
        outcome.print();
    }
    Ok(())
}

/// Returns the input to embed: a simulated frame, the package's golden signal, or the maximum number of
/// tokens of the package, taken from its golden texts.
fn input(extractor: &Extractor) -> Input {
    let package = extractor.package();
    if let (Some(most), Some(text)) = (extractor.token_limit(), package.text()) {
        let mut ids = Vec::new();
        for golden in package.goldens() {
            if let GoldenInput::Tokens(golden) = golden.input {
                ids.extend(golden.iter());
            }
        }
        if ids.is_empty() {
            ids.push(text.tokens.pad);
        }
        return Input::Tokens(ids.into_iter().cycle().take(most).collect());
    }
    if let Some(sensor) = package.sensor() {
        let channels = sensor.normalization().len();
        let golden = package.goldens().find_map(|golden| match golden.input {
            GoldenInput::Signal(samples) => Some(samples.iter().collect()),
            _ => None,
        });
        let places = extractor.window_places().unwrap_or_default();
        return Input::Signal(golden.unwrap_or_else(|| vec![0.0; places * channels]), channels);
    }
    let image = Camera::new(FRAME.0, FRAME.1).look(Some(Object::Mug), 1);
    let image = offshoot::Image::from_rgb(image.width, image.height, image.rgb);
    Input::Image(image.expect("the camera gives as many pixels as its sides say"))
}

/// Sensor readings.
struct Heat {
    temperatures: Vec<Temperature>,
    throttle: Option<Throttle>,
}

impl Heat {
    fn of(machine: &Machine) -> Self {
        Self { temperatures: machine.temperatures(), throttle: machine.throttle() }
    }
}

struct Outcome<'a> {
    args: &'a BenchArgs,
    machine: Machine,
    /// System load before the measurement.
    load: Option<f64>,
    extractor: Extractor,
    opened: Duration,
    times: Times,
    /// Cosine similarity of the embedding to the float network's.
    cosine: Option<f64>,
    resident: Option<Resident>,
    before: Heat,
    after: Heat,
}

impl Outcome<'_> {
    /// Returns true if the processor was throttled during the measurement; `None` if the machine
    /// does not report throttling.
    fn throttled(&self) -> Option<bool> {
        Some(self.after.throttle?.since(&self.before.throttle?))
    }

    /// Returns the network time of the package divided by that of the float network.
    fn ratio(&self) -> Option<f64> {
        let float = self.times.float?;
        Some(self.times.network.p50.as_secs_f64() / float.p50.as_secs_f64())
    }

    /// Returns the number of tokens embedded, for a package that takes text.
    fn tokens(&self) -> Option<usize> {
        self.extractor.token_limit()
    }

    fn isa(&self) -> Option<&'static str> {
        self.extractor.isa().map(|isa| isa.name())
    }

    fn json(&self) -> Value {
        let package = self.extractor.package();
        let manifest = package.manifest();
        let Memory { arena, live_set, packed, packed_in_file, package: size, .. } =
            self.extractor.memory();
        let p = &self.times;
        json!({
            "package": self.args.package.display().to_string(),
            "id": manifest.id.to_string(),
            "source": manifest.source,
            "cut": manifest.cut,
            "precision": manifest.precision.name(),
            "macs": package.graph().macs(),
            "version": env!("CARGO_PKG_VERSION"),
            "processor": self.machine.processor(),
            "cores": std::thread::available_parallelism().ok().map(usize::from),
            "load": self.load,
            "clock_mhz": self.machine.clock().map(|(now, most)| json!({ "now": now, "highest": most })),
            "threads": self.extractor.threads(),
            "isa": self.isa(),
            "chains": !self.args.no_chains,
            "frame": self.tokens().is_none().then_some([FRAME.0, FRAME.1]),
            "tokens": self.tokens(),
            "open_ns": nanoseconds(self.opened),
            "first_ns": nanoseconds(p.first),
            "first_network_ns": nanoseconds(p.first_network),
            "extraction": percentiles(&p.extraction),
            "network": percentiles(&p.network),
            "layers": p.layers.iter().map(layer).collect::<Vec<_>>(),
            "memory": {
                "arena": arena,
                "live_set": live_set,
                "packed": packed,
                "packed_in_file": packed_in_file,
                "package": size,
                "resident": self.resident.map(|r| r.now),
                "anonymous": self.resident.map(|r| r.anonymous),
                "peak": self.resident.map(|r| r.peak),
            },
            "temperature_before": temperatures(&self.before.temperatures),
            "temperature_after": temperatures(&self.after.temperatures),
            "throttled": self.throttled(),
            "no_cycle_counter": p.no_cycles,
            "compare": self.compare_json(),
        })
    }

    fn compare_json(&self) -> Option<Value> {
        let model = self.args.compare.as_ref()?;
        let float = self.times.float?;
        Some(json!({
            "model": model.display().to_string(),
            "engine": "tract f32",
            "threads": 1,
            "network": percentiles(&float),
            "ratio": self.ratio(),
            "pays": self.ratio().map(|ratio| ratio < 1.0),
            "cosine": self.cosine,
        }))
    }

    fn print(&self) {
        let package = self.extractor.package();
        let macs = millions(package.graph().macs());
        let precision = package.manifest().precision.name();
        println!("{}  {precision}, {macs} MACs", self.args.package.display());
        self.print_machine();
        let p = &self.times;
        println!(
            "  open           {:.3} ms, then the first extraction {:.3} ms",
            ms(self.opened),
            ms(p.first)
        );
        let of = match self.tokens() {
            Some(tokens) => format!("{tokens} tokens"),
            None => format!("{}x{} frame", FRAME.0, FRAME.1),
        };
        println!("  extraction     {} ({of})", spread(&p.extraction));
        println!("  network alone  {}", spread(&p.network));
        self.print_memory();
        println!();
        println!(
            "  {:>9}  {:<28} {:>9} {:>7} {:>9} {:>7} {:>9}  name",
            "nodes", "operation", "us", "share", "MACs", "MAC/ns", "MAC/cycle"
        );
        p.layers.iter().for_each(print_layer);
        if let Some(reason) = &p.no_cycles {
            println!("\n  no MAC/cycle without a cycle counter: {reason}");
        }
        self.print_comparison();
    }

    fn print_machine(&self) {
        let processor = self.machine.processor().unwrap_or_else(|| UNKNOWN.to_string());
        let kernels = self.isa().unwrap_or("tract-core");
        let threads = self.extractor.threads();
        let load = self.load.map_or(UNKNOWN.to_string(), |load| format!("{load:.2}"));
        let threads =
            if threads == 1 { "1 thread".to_string() } else { format!("{threads} threads") };
        println!("  processor      {processor}; {kernels}, {threads}, load {load} before");
        if let Some((now, most)) = self.machine.clock() {
            println!("  clock          {now:.0} MHz of {most:.0}");
        }
        let pairs = self.before.temperatures.iter().zip(&self.after.temperatures);
        let readings: Vec<String> = pairs
            .map(|(b, a)| format!("{} {:.1} to {:.1} C", a.zone, b.celsius, a.celsius))
            .collect();
        let readings = if readings.is_empty() { UNKNOWN.to_string() } else { readings.join(", ") };
        println!("  temperature    {readings}");
        let throttled = self.throttled().map_or(UNKNOWN, |t| if t { "yes" } else { "no" });
        println!("  throttled      {throttled}");
    }

    fn print_memory(&self) {
        let memory = self.extractor.memory();
        if memory.arena > 0 {
            println!(
                "  arena          {} (largest live set {})",
                bytes(memory.arena),
                bytes(memory.live_set)
            );
            let place = if memory.packed_in_file { ", in the package" } else { "" };
            println!("  packed weights {}{place}", bytes(memory.packed));
        }
        println!("  package        {}", bytes(memory.package));
        if let Some(resident) = self.resident {
            let now = bytes(resident.now as usize);
            let anonymous = bytes(resident.anonymous as usize);
            let tract = if self.cosine.is_some() { ", tract's float network included" } else { "" };
            println!("  resident       {now}, {anonymous} of it anonymous{tract}");
        }
    }

    fn print_comparison(&self) {
        let (Some(float), Some(ratio), Some(cosine)) =
            (self.times.float, self.ratio(), self.cosine)
        else {
            return;
        };
        println!("\n  tract f32, network alone, one thread: {}", spread(&float));
        println!("  ratio {ratio:.3}, cosine of the embeddings {cosine:.4}");
        if ratio >= 1.0 {
            let precision = self.extractor.package().manifest().precision.name();
            println!("  {precision} does not pay on this processor: convert with --precision f32");
        }
    }
}

fn print_layer(layer: &Layer) {
    let nodes = match layer.nodes.len() {
        0 => String::new(),
        1 => layer.nodes.start.to_string(),
        _ => format!("{}-{}", layer.nodes.start, layer.nodes.end - 1),
    };
    let time = 1e6 * layer.time.as_secs_f64();
    let share = 100.0 * layer.share;
    let [rate, per_cycle] = [rate(layer), per_cycle(layer)]
        .map(|rate| rate.map_or_else(String::new, |rate| format!("{rate:.1}")));
    let macs = if layer.macs > 0 { millions(layer.macs) } else { String::new() };
    let Layer { operation, name, .. } = layer;
    println!(
        "  {nodes:>9}  {operation:<28} {time:>9.1} {share:>5.1} % {macs:>9} {rate:>7} {per_cycle:>9}  {name}"
    );
}

/// Returns multiply-adds per nanosecond; `None` for a layer without any.
fn rate(layer: &Layer) -> Option<f64> {
    let time = nanoseconds(layer.time);
    (layer.macs > 0 && time > 0).then(|| layer.macs as f64 / time as f64)
}

/// Returns multiply-adds per cycle of the calling thread, if cycles are counted.
fn per_cycle(layer: &Layer) -> Option<f64> {
    let cycles = layer.cycles.filter(|&cycles| cycles > 0 && layer.macs > 0)?;
    Some(layer.macs as f64 / cycles as f64)
}

fn layer(layer: &Layer) -> Value {
    json!({
        "nodes": (!layer.nodes.is_empty()).then(|| [layer.nodes.start, layer.nodes.end - 1]),
        "operation": layer.operation,
        "name": layer.name,
        "macs": layer.macs,
        "ns": nanoseconds(layer.time),
        "share": layer.share,
        "mac_per_ns": rate(layer),
        "cycles": layer.cycles,
        "mac_per_cycle": per_cycle(layer),
    })
}

fn percentiles(p: &Percentiles) -> Value {
    json!({
        "runs": p.runs,
        "min_ns": nanoseconds(p.min),
        "p50_ns": nanoseconds(p.p50),
        "p90_ns": nanoseconds(p.p90),
        "p99_ns": nanoseconds(p.p99),
    })
}

fn temperatures(all: &[Temperature]) -> Value {
    all.iter().map(|t| json!({ "zone": t.zone, "celsius": t.celsius })).collect()
}

fn spread(p: &Percentiles) -> String {
    let [min, p50, p90, p99] = [p.min, p.p50, p.p90, p.p99].map(ms);
    format!("p50 {p50:.3} ms  p90 {p90:.3}  p99 {p99:.3}  fastest {min:.3}  {} runs", p.runs)
}

fn nanoseconds(time: Duration) -> u64 {
    time.as_nanos() as u64
}
