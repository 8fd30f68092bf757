//! Fuzzers: whatever comes from outside is read or refused. A target takes any bytes; it must not
//! panic, nor take long, nor more memory than a few times what it is given.
//!
//! As tests they take the kept inputs (`fuzz/__fuzz__/TARGET/corpus`), bytes drawn at random, and the
//! kept inputs and examples with changes drawn at random, for about two seconds. `cargo bolero` lets
//! libFuzzer look for inputs that reach code which no input has reached: `docs/fuzzing.md`.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};
use rustix::process::{Resource, Rlimit, setrlimit};

mod changes;
mod documents;
mod feeds;
mod grammar;
mod link;
mod protocols;
mod texts;

/// The longest input that is made up, and the longest that comes of changes.
const LONGEST: usize = 4_096;
const LONGEST_CHANGED: usize = 64 * 1024;

/// How long a test makes bytes up, and how long it then changes what is kept.
const AT_RANDOM: Duration = Duration::from_millis(500);
const WITH_CHANGES: Duration = Duration::from_millis(1_500);

/// Where to write examples.
const WORKSHOP: &str = "CROWD_FUZZ_WORKSHOP";

/// Overrules [`WITH_CHANGES`].
const SECONDS: &str = "CROWD_FUZZ_SECONDS";

/// How long one input may take on a busy machine, in a build that is not optimised.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much memory a process that only fuzzes may have.
const MOST_MEMORY: u64 = 768 * 1024 * 1024;

/// A test for each target: its name, the function that takes the bytes, and examples of what it is
/// made for.
macro_rules! targets {
    ($($(#[$about:meta])* $name:ident($target:expr, $examples:expr);)*) => { $(
        $(#[$about])*
        #[test]
        fn $name() {
            $crate::fuzz::limit_memory();
            $crate::fuzz::offer(stringify!($name), &$examples);
            bolero::check!(name = stringify!($name))
                .with_test_time($crate::fuzz::AT_RANDOM)
                .with_max_len($crate::fuzz::LONGEST)
                .for_each(|bytes: &[u8]| $target(bytes));
            $crate::fuzz::change(stringify!($name), &$examples, $target);
        }
    )* };
}
pub(crate) use grammar::stays;
use targets;

/// An allocation far beyond what was given fails at once, where it cannot hit other tests.
fn limit_memory() {
    let alone = ["NEXTEST", "BOLERO_LIBFUZZER_ARGS"];
    if alone.iter().any(|variable| std::env::var_os(variable).is_some()) {
        let most = Rlimit { current: Some(MOST_MEMORY), maximum: Some(MOST_MEMORY) };
        setrlimit(Resource::Data, most).unwrap();
    }
}

/// Writes examples to where libFuzzer begins, if that is asked for.
fn offer<E: AsRef<[u8]>>(name: &str, examples: &[E]) {
    let Some(folder) = std::env::var_os(WORKSHOP) else { return };
    let folder = Path::new(&folder).join(name);
    fs::create_dir_all(&folder).unwrap();
    for (number, example) in examples.iter().enumerate() {
        fs::write(folder.join(format!("example-{number}")), example).unwrap();
    }
}

/// Runs a target on changed examples and kept inputs.
fn change<E: AsRef<[u8]>>(name: &str, examples: &[E], target: fn(&[u8])) {
    let watch = Watch::begin();
    let mut inputs: Vec<Vec<u8>> = examples.iter().map(|all| all.as_ref().to_vec()).collect();
    inputs.iter().for_each(|input| watch.run(input, target));
    inputs.extend(kept(name));
    inputs.push(Vec::new());
    let seconds = std::env::var(SECONDS).ok().map(|text| text.parse().unwrap());
    let time = seconds.map_or(WITH_CHANGES, Duration::from_secs_f64);
    let mut random = ChaCha8Rng::seed_from_u64(rand::random());
    let end = Instant::now() + time;
    while Instant::now() < end {
        let mut input = pick(&mut random, &inputs).to_vec();
        for _ in 0..random.random_range(1..=6) {
            changes::change(&mut input, &mut random, &inputs);
        }
        input.truncate(LONGEST_CHANGED);
        watch.run(&input, target);
    }
}

/// The inputs that are kept of a target.
fn kept(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fuzz/__fuzz__").join(name);
    let Ok(files) = fs::read_dir(folder.join("corpus")) else { return Vec::new() };
    files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
}

fn pick<'a>(random: &mut impl Rng, inputs: &'a [Vec<u8>]) -> &'a [u8] {
    &inputs[random.random_range(0..inputs.len())]
}

/// Sees to it that an input which breaks a target, or keeps it busy for ever, is told.
struct Watch {
    under_way: Arc<Mutex<Option<Busy>>>,
}

/// An input that a target is busy with.
struct Busy {
    since: Instant,
    input: Vec<u8>,
}

impl Watch {
    fn begin() -> Self {
        let under_way = Arc::new(Mutex::new(None::<Busy>));
        let watched = under_way.clone();
        thread::spawn(move || {
            loop {
                thread::sleep(PATIENCE / 10);
                if let Some(Busy { since, input }) = &*watched.lock().unwrap()
                    && since.elapsed() > PATIENCE
                {
                    eprintln!("it takes too long on {}", input.escape_ascii());
                    std::process::abort();
                }
            }
        });
        Self { under_way }
    }

    fn run(&self, input: &[u8], target: fn(&[u8])) {
        *self.under_way.lock().unwrap() =
            Some(Busy { since: Instant::now(), input: input.to_vec() });
        let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
        *self.under_way.lock().unwrap() = None;
        outcome.unwrap_or_else(|panic| {
            eprintln!("it broke on {}", input.escape_ascii());
            resume_unwind(panic)
        });
    }
}

/// The bytes as a text, if they are one.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// The first byte, which says what to do with the others.
fn choose(bytes: &[u8]) -> (usize, &[u8]) {
    bytes.split_first().map_or((0, bytes), |(first, rest)| (usize::from(*first), rest))
}
