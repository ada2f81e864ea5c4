//! The driver: takes an input from the pool, mutates it, runs the harness, keeps what behaved in a new way.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::harness::Harness;

/// One input that takes longer than this hangs: it is written down and the process ends.
const HANGS_AFTER: Duration = Duration::from_secs(20);
/// More inputs than this are not kept: old ones make room.
const MAX_POOL: usize = 4_000;

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// How many inputs were run.
    pub inputs: u64,
    /// How many of them behaved in a new way.
    pub kept: usize,
    /// The input that broke a promise, as written to a file, and the promise.
    pub finding: Option<(PathBuf, String)>,
}

/// The folder of the committed inputs.
pub fn corpus(harness: &Harness) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(harness.name)
}

/// Runs a harness for a while, from a seed; ends at the first finding.
pub fn run(harness: &'static Harness, duration: Duration, seed: u64) -> Report {
    let mut random = Random(seed | 1);
    let mut pool = committed(harness);
    let mut seen = BTreeSet::new();
    let watch = Watch::start(harness);
    let ends = Instant::now() + duration;
    let mut report = Report { inputs: 0, kept: 0, finding: None };
    let mut queue: Vec<Vec<u8>> = pool.clone();
    while report.inputs == 0 || !queue.is_empty() || Instant::now() < ends {
        let input = queue.pop().unwrap_or_else(|| mutated(harness, &pool, &mut random));
        watch.begins(&input);
        report.inputs += 1;
        match catch_unwind(AssertUnwindSafe(|| (harness.run)(&input))) {
            Ok(behaviour) if seen.insert(behaviour) => {
                report.kept += 1;
                if pool.len() < MAX_POOL {
                    pool.push(input);
                } else {
                    let place = random.below(MAX_POOL);
                    pool[place] = input;
                }
            }
            Ok(_) => {}
            Err(cause) => {
                let cause = cause
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| cause.downcast_ref::<&str>().map(ToString::to_string));
                let path = write_down(harness, &input);
                report.finding = Some((path, cause.unwrap_or_else(|| "a panic without words".into())));
                break;
            }
        }
    }
    report
}

fn committed(harness: &Harness) -> Vec<Vec<u8>> {
    let folder = corpus(harness);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "there is nothing in {}", folder.display());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Where findings go.
fn folder(harness: &Harness) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fuzz").join(harness.name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn write_down(harness: &Harness, input: &[u8]) -> PathBuf {
    let name = input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let path = folder(harness).join(format!("{name:016x}"));
    fs::write(&path, input).unwrap();
    path
}

/// Ends the process if an input never ends: no other thread can be stopped from outside.
struct Watch(Arc<Mutex<(Vec<u8>, Instant)>>, PathBuf);

impl Watch {
    fn start(harness: &'static Harness) -> Self {
        let now = Arc::new(Mutex::new((Vec::new(), Instant::now())));
        let watched = Arc::downgrade(&now);
        std::thread::spawn(move || {
            while let Some(now) = watched.upgrade() {
                let (input, since) = now.lock().unwrap().clone();
                drop(now);
                if since.elapsed() > HANGS_AFTER {
                    let path = write_down(harness, &input);
                    eprintln!("{}: an input hangs: {}", harness.name, path.display());
                    std::process::exit(1);
                }
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        Self(now, folder(harness).join("running"))
    }

    /// The input is written down before it is run: an overflow of the stack leaves nobody who could do it after.
    fn begins(&self, input: &[u8]) {
        fs::write(&self.1, input).unwrap();
        let mut now = self.0.lock().unwrap();
        now.0.clear();
        now.0.extend_from_slice(input);
        now.1 = Instant::now();
    }
}

/// Numbers that follow from a seed (xorshift64*).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// One below `most`, small ones more often.
    fn below(&mut self, most: usize) -> usize {
        let number = usize::try_from(self.next() >> 33).unwrap_or_default();
        let most = most.max(1);
        if number.is_multiple_of(4) { number / 4 % most.min(16) } else { number / 4 % most }
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let place = usize::try_from(self.next() >> 33).unwrap_or_default() % all.len().max(1);
        all.get(place)
    }
}

fn mutated(harness: &Harness, pool: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = random.pick(pool).cloned().unwrap_or_default();
    for _ in 0..=random.below(6) {
        mutate(&mut input, harness, pool, random);
    }
    input.truncate(harness.max_len);
    input
}

/// A piece of the input, by its ends.
fn piece(input: &[u8], random: &mut Random) -> (usize, usize) {
    let from = random.below(input.len() + 1);
    (from, from + random.below(input.len() - from + 1))
}

fn mutate(input: &mut Vec<u8>, harness: &Harness, pool: &[Vec<u8>], random: &mut Random) {
    let (from, to) = piece(input, random);
    match random.below(9) {
        0 if !input.is_empty() => {
            let at = random.below(input.len());
            input[at] ^= 1 << random.below(8);
        }
        1 => {
            input.splice(from..from, [u8::try_from(random.below(256)).unwrap_or_default()]);
        }
        2 => {
            input.drain(from..to);
        }
        3 | 4 => {
            let token = random.pick(harness.dictionary).copied().unwrap_or_default();
            input.splice(from..from, token.bytes());
        }
        // The same again and again: what is quadratic shows itself here.
        5 => {
            let repeated = input[from..to].repeat(2 + random.below(60));
            input.splice(to..to, repeated);
        }
        6 => {
            let token = random.pick(harness.dictionary).copied().unwrap_or_default();
            input.splice(from..from, token.repeat(2 + random.below(400)).into_bytes());
        }
        7 => {
            let other = random.pick(pool).cloned().unwrap_or_default();
            let (start, end) = piece(&other, random);
            input.splice(from..to, other[start..end].iter().copied());
        }
        _ => {
            let moved: Vec<u8> = input.drain(from..to).collect();
            let at = random.below(input.len() + 1);
            input.splice(at..at, moved);
        }
    }
    input.truncate(harness.max_len);
}
