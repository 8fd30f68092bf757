//! The page of a run, opened in a real browser: it is drawn, nothing overlaps, nothing is fetched,
//! and no text of a target becomes part of it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::{
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

mod binary;
#[path = "../report/documents.rs"]
mod documents;

/// Looks at a page from inside, when it is drawn, and leaves what it saw in the page.
const LOOK: &str = include_str!("browser/look.js");

/// As a screen shows it.
#[derive(Debug, Clone, Copy)]
struct Screen {
    width: u32,
    dark: bool,
}

const WIDE: Screen = Screen { width: 1200, dark: false };
const NARROW: Screen = Screen { width: 390, dark: false };
const DARK: Screen = Screen { width: 1200, dark: true };

fn chromium(home: &Path, screen: Screen) -> Command {
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
        ])
        .args(["--disable-dev-shm-usage", "--virtual-time-budget=5000"])
        .arg(format!("--user-data-dir={}", home.join("profile").display()))
        .arg(format!("--window-size={},2400", screen.width))
        // 0 is dark and 1 is light.
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!screen.dark)));
    command
}

fn finish(mut command: Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("this test needs Chromium, as `chromium` (apt-get install chromium): {error}")
    });
    assert!(output.status.success(), "{}", binary::stderr(&output));
    binary::stdout(&output)
}

/// What [`LOOK`] saw of a page, with this style added to its own.
fn look(home: &Path, page: &Path, screen: Screen, style: &str) -> Value {
    let text = fs::read_to_string(page).unwrap();
    // The page runs no script but its own: a copy has to allow ours.
    let from = text.find("<meta http-equiv=\"Content-Security-Policy\"").unwrap();
    let to = from + text[from..].find('>').unwrap() + 1;
    let open = format!("{}{}", &text[..from], &text[to..]);
    let ours = format!("<style>{style}</style><script>{LOOK}</script></body>");
    fs::write(home.join("copy.html"), open.replace("</body>", &ours)).unwrap();
    // In a frame, since no window is as narrow as a telephone.
    let around = home.join("around.html");
    let frame = format!(
        "<!DOCTYPE html><meta name=color-scheme content='light dark'>\
         <iframe src=copy.html style='width:{}px;height:2400px;border:0'></iframe>\
         <pre id=seen></pre>\
         <script>onmessage = event => document.getElementById('seen').textContent = event.data</script>",
        screen.width
    );
    fs::write(&around, frame).unwrap();
    let mut command = chromium(home, screen);
    command.arg("--dump-dom").arg(format!("file://{}", around.display()));
    let dom = finish(command);
    let seen = dom.split("<pre id=\"seen\">").nth(1).unwrap().split("</pre>").next().unwrap();
    assert!(!seen.is_empty(), "the page was not drawn");
    let seen = seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&seen).unwrap()
}

/// Asserts what holds for every page; answers with how many curves are drawn.
fn stands(home: &Path, page: &Path, screen: Screen) -> u64 {
    let seen = look(home, page, screen, "");
    assert_eq!(seen["faults"], Value::Array(Vec::new()), "{screen:?}");
    assert_eq!(seen["fetched"], 0, "{screen:?}");
    assert_eq!(seen["dark"], screen.dark);
    assert_eq!(seen["width"], screen.width);
    assert_ne!(seen["title"], "harmed");
    assert_eq!(seen["scripts"], 2, "its own, and the one that looks");
    seen["curves"].as_u64().unwrap()
}

/// A picture of a page: how many colours it has, and how bright it is, from 0 to 1.
fn picture(home: &Path, page: &Path, screen: Screen) -> (usize, f64) {
    let image = home.join("page.png");
    let mut command = chromium(home, screen);
    command
        .arg(format!("--screenshot={}", image.display()))
        .arg(format!("file://{}", page.display()));
    finish(command);
    let mut reader =
        png::Decoder::new(BufReader::new(File::open(&image).unwrap())).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!(info.width, screen.width);
    let size = info.color_type.samples();
    let pixels = bytes[..info.buffer_size()].chunks_exact(size);
    let mut colours: Vec<_> = pixels.clone().map(|pixel| &pixel[..3]).collect();
    let count = colours.len();
    let sum: u64 =
        colours.iter().map(|pixel| pixel.iter().map(|part| u64::from(*part)).sum::<u64>()).sum();
    colours.sort_unstable();
    colours.dedup();
    (colours.len(), sum as f64 / (count as f64 * 3.0 * 255.0))
}

/// The page that `crowd report` makes of a document.
fn page_of(home: &Path, name: &str) -> PathBuf {
    let report = documents::all().remove(name).unwrap();
    let document = home.join(format!("{name}.json"));
    crowd::report::json::write(&report, &document).unwrap();
    let page = home.join(format!("{name}.html"));
    let mut command = binary::crowd(home);
    command.arg("report").arg(&document).arg("--html").arg(&page);
    let output = binary::finish(command, "");
    assert_eq!(output.status.code(), Some(0), "{}", binary::stderr(&output));
    assert!(fs::metadata(&page).unwrap().len() < 1_000_000);
    page
}

#[test]
fn a_real_run_is_drawn() {
    let home = TempDir::new().unwrap();
    let page = home.path().join("echo.html");
    let suite = home.path().join("echo.xml");
    let mut command = binary::crowd(home.path());
    command
        .args(["run", "echo", "--users", "40", "--user-rate", "20/s", "--duration", "5s"])
        .arg("--html")
        .arg(&page)
        .arg("--junit")
        .arg(&suite);
    let output = binary::finish(command, "");
    // A busy machine makes the run invalid, not its page.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", binary::stderr(&output));
    assert!(fs::read_to_string(&suite).unwrap().contains("<testcase classname=\"crowd.echo\""));
    let text = fs::read_to_string(&page).unwrap();
    for title in ["Users running", "Response time", "Service time", "Distribution", "connect"] {
        assert!(text.contains(title), "{title} is missing");
    }
    // Users, comings and goings, actions; two actions with six percentiles and two distributions.
    let curves = stands(home.path(), &page, WIDE);
    assert!(curves >= 5 + 2 * 8, "only {curves} curves are drawn");
    stands(home.path(), &page, NARROW);
    let (colours, _) = picture(home.path(), &page, WIDE);
    assert!(colours > 100, "only {colours} colours");
}

#[test]
fn a_capacity_search_is_drawn() {
    let home = TempDir::new().unwrap();
    let page = home.path().join("capacity.html");
    let mut command = binary::crowd(home.path());
    command.args(["capacity", "echo", "--user-rate", "unlimited", "--strategy", "stress"]);
    command.args(["--max", "100", "--settle", "0s", "--window", "1s", "--signal", "rate < 350/s"]);
    for setting in ["start=10", "step=10", "tick=500ms"] {
        command.args(["--with", setting]);
    }
    // Ten requests a second of each user: 350 are those of 35 users.
    command.args(["interval=100ms", "--html"]).arg(&page);
    let output = binary::finish(command, "");
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", binary::stderr(&output));
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.len() < 1_000_000);
    let titles = ["It supports", "Response time by load", "Failed actions by load", "By load"];
    for title in titles.into_iter().chain(["supports ", "class=\"interval\"", "Users running"]) {
        assert!(text.contains(title), "{title} is missing");
    }
    for screen in [WIDE, NARROW, DARK] {
        // Three percentiles and failures over the load; users, comings and goings, actions.
        let curves = stands(home.path(), &page, screen);
        assert!(curves >= 4 + 4, "only {curves} curves are drawn");
    }
    let (colours, _) = picture(home.path(), &page, WIDE);
    assert!(colours > 100, "only {colours} colours");
}

#[test]
fn a_busy_run_is_drawn_on_every_screen() {
    let home = TempDir::new().unwrap();
    let page = page_of(home.path(), "busy");
    for screen in [WIDE, NARROW, DARK] {
        let curves = stands(home.path(), &page, screen);
        assert!(curves >= 13 + 4 * 8, "only {curves} curves are drawn on {screen:?}");
    }
    let (colours, light) = picture(home.path(), &page, WIDE);
    assert!(colours > 200 && light > 0.8, "{colours} colours, brightness {light}");
    let (colours, dark) = picture(home.path(), &page, DARK);
    assert!(colours > 200 && dark < 0.3, "{colours} colours, brightness {dark}");
}

/// Those that look see faults where there are some.
#[test]
fn a_page_whose_texts_overlap_is_found_out() {
    let home = TempDir::new().unwrap();
    let page = page_of(home.path(), "busy");
    let faults = |style| look(home.path(), &page, WIDE, style)["faults"].to_string();
    assert!(faults(".below .tick { left: 40% !important }").contains("overlaps"));
    assert!(faults(".legend { transform: translateY(90px) }").contains("is over data"));
    assert!(faults("main { width: 3000px; max-width: none }").contains("wider than the window"));
}

#[test]
fn a_run_without_anything_and_one_of_a_blink_have_pages_too() {
    let home = TempDir::new().unwrap();
    let nothing = page_of(home.path(), "nothing");
    let blink = page_of(home.path(), "blink");
    for screen in [WIDE, NARROW] {
        assert_eq!(stands(home.path(), &nothing, screen), 0);
        assert!(stands(home.path(), &blink, screen) >= 4 + 8);
    }
}

#[test]
fn a_month_of_hostile_texts_is_drawn_and_harms_nobody() {
    let home = TempDir::new().unwrap();
    let page = page_of(home.path(), "month");
    for screen in [WIDE, NARROW] {
        let curves = stands(home.path(), &page, screen);
        // No more than the twelve actions done most often.
        assert!(curves >= 12 * 8, "only {curves} curves are drawn");
        assert!(curves <= 20 + 12 * 8, "{curves} curves are drawn");
    }
}
