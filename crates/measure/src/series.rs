//! How a run went over time, in a bounded number of rows.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    timing::Timing,
    window::{ActionNumbers, Window},
};

/// How many rows are kept; one more and neighbours are merged.
pub const MAX_ROWS: usize = 3_600;

/// How many actions are followed: the first ones.
pub const MAX_SERIES_ACTIONS: usize = 50;

/// A last row shorter than this would show rates of chance.
const SHORTEST: Duration = Duration::from_millis(200);

/// How many users there are at the end of an interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Running now.
    pub running: u64,
    /// Started since the run began.
    pub started: u64,
    /// Ended since the run began, however.
    pub ended: u64,
    /// Arrivals due since the run began; 0 in a closed run, as are the two below.
    pub scheduled: u64,
    /// Arrivals let in since the run began.
    pub arrived: u64,
    /// Arrivals lost since the run began, because nothing was free to serve them.
    pub dropped: u64,
}

/// A run over time: a row for each interval at first; whenever there are more than [`MAX_ROWS`],
/// each two neighbours become one row that stands for twice the time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    names: Vec<Arc<str>>,
    index: HashMap<Arc<str>, usize>,
    rows: Vec<Row>,
    /// How many intervals a row stands for, as a power of two.
    doublings: u32,
    /// The row that is not complete, and how many intervals it stands for so far.
    partial: Option<(Row, u64)>,
    /// Users at the end of the last row.
    before: Activity,
}

/// One row of a [`Series`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// When it ends, since the start of the run.
    pub end: Duration,
    /// How much time it stands for.
    pub span: Duration,
    /// Users running at its end.
    pub running: u64,
    /// Users started in it.
    pub started: u64,
    /// Users ended in it.
    pub ended: u64,
    /// Arrivals due in it.
    pub scheduled: u64,
    /// Arrivals let in in it.
    pub arrived: u64,
    /// Arrivals lost in it.
    pub dropped: u64,
    /// Actions failed in it: of all, not only those that are followed.
    pub failed: u64,
    /// By action, in the order of [`Series::names`]; those that came later may be missing.
    pub actions: Vec<Cell>,
}

/// An action in one row of a [`Series`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cell {
    /// How often it was done.
    pub count: u64,
    /// How often it failed.
    pub failed: u64,
    /// How many attempts were under way at its end.
    pub waiting: u64,
    /// How many were given up unfinished.
    pub unfinished: u64,
    /// Response times. Of attempts that did not end, the time that they had waited by then.
    pub response: Percentiles,
    /// Service times.
    pub service: Percentiles,
}

/// Times that a share of all did not exceed. In a row made of several they are the worst of theirs:
/// percentiles cannot be averaged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Percentiles {
    micros: [u32; 3],
}

impl Percentiles {
    /// Half did not take longer.
    pub fn p50(&self) -> Duration {
        Duration::from_micros(self.micros[0].into())
    }

    /// 95 % did not take longer.
    pub fn p95(&self) -> Duration {
        Duration::from_micros(self.micros[1].into())
    }

    /// 99 % did not take longer.
    pub fn p99(&self) -> Duration {
        Duration::from_micros(self.micros[2].into())
    }

    fn of(timing: &Timing) -> Self {
        let micros = timing.quantiles([0.5, 0.95, 0.99]);
        Self { micros: micros.map(|time| u32::try_from(time.as_micros()).unwrap_or(u32::MAX)) }
    }

    fn worsen(&mut self, other: &Self) {
        for (mine, theirs) in self.micros.iter_mut().zip(other.micros) {
            *mine = theirs.max(*mine);
        }
    }
}

impl Cell {
    fn of(action: &ActionNumbers) -> Self {
        Self {
            count: action.count(),
            failed: action.failed,
            waiting: action.waiting.count(),
            unfinished: action.unfinished.count(),
            response: Percentiles::of(&action.response_so_far()),
            service: Percentiles::of(&action.service_so_far()),
        }
    }

    fn merge(&mut self, later: &Self) {
        self.count += later.count;
        self.failed += later.failed;
        self.unfinished += later.unfinished;
        self.waiting = later.waiting;
        self.response.worsen(&later.response);
        self.service.worsen(&later.service);
    }
}

impl Row {
    fn merge(&mut self, later: Self) {
        self.end = later.end;
        self.span += later.span;
        self.running = later.running;
        self.started += later.started;
        self.ended += later.ended;
        self.scheduled += later.scheduled;
        self.arrived += later.arrived;
        self.dropped += later.dropped;
        self.failed += later.failed;
        if self.actions.len() < later.actions.len() {
            self.actions.resize(later.actions.len(), Cell::default());
        }
        for (mine, theirs) in self.actions.iter_mut().zip(&later.actions) {
            mine.merge(theirs);
        }
    }
}

impl Series {
    /// The actions that are followed, in the order they were first seen.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The rows, oldest first; the last one may stand for less time than the others.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().chain(self.partial.iter().map(|(row, _)| row))
    }

    /// Adds an interval that ends at `now`.
    pub fn push(&mut self, now: Duration, activity: Activity, window: &Window) {
        let row = self.row(now, activity, window);
        let (row, intervals) = match self.partial.take() {
            Some((mut partial, intervals)) => {
                partial.merge(row);
                (partial, intervals + 1)
            }
            None => (row, 1),
        };
        if intervals < 1 << self.doublings {
            self.partial = Some((row, intervals));
            return;
        }
        self.rows.push(row);
        if self.rows.len() > MAX_ROWS {
            self.halve();
        }
    }

    /// Adds the last interval of a run: one too short for a row of its own joins the one before.
    pub fn close(&mut self, now: Duration, activity: Activity, window: &Window) {
        let row = self.row(now, activity, window);
        match (&mut self.partial, self.rows.last_mut()) {
            (Some((partial, _)), _) => partial.merge(row),
            (None, Some(last)) if row.span < SHORTEST => last.merge(row),
            (None, _) => self.partial = Some((row, 1)),
        }
    }

    /// Adds what was measured up to `until`, and came when the row of that time was complete: its
    /// percentiles become the worse of the two.
    pub fn amend(&mut self, until: Duration, window: &Window) {
        let (failed, actions) = (failed(window), self.cells(window));
        let at = self.rows.partition_point(|row| row.end < until);
        let row = match (self.rows.get_mut(at), &mut self.partial) {
            (Some(row), _) => row,
            (None, Some((partial, _))) => partial,
            (None, None) if at > 0 => &mut self.rows[at - 1],
            (None, None) => {
                let row = Row { end: until, span: until, ..Row::default() };
                &mut self.partial.insert((row, 1)).0
            }
        };
        row.failed += failed;
        if row.actions.len() < actions.len() {
            row.actions.resize(actions.len(), Cell::default());
        }
        for (mine, late) in row.actions.iter_mut().zip(&actions) {
            let waiting = mine.waiting;
            mine.merge(late);
            mine.waiting = waiting;
        }
    }

    /// The rows, neighbours merged so that there are `most` at most.
    pub fn coarse(&self, most: usize) -> Vec<Row> {
        let rows = self.rows().count();
        let each = rows.div_ceil(most.max(1)).max(1);
        let mut coarse: Vec<Row> = Vec::with_capacity(rows.div_ceil(each));
        for (at, row) in self.rows().enumerate() {
            match coarse.last_mut().filter(|_| at % each > 0) {
                Some(last) => last.merge(row.clone()),
                None => coarse.push(row.clone()),
            }
        }
        coarse
    }

    fn row(&mut self, now: Duration, activity: Activity, window: &Window) -> Row {
        let before = std::mem::replace(&mut self.before, activity);
        Row {
            end: now,
            span: window.span,
            running: activity.running,
            started: activity.started.saturating_sub(before.started),
            ended: activity.ended.saturating_sub(before.ended),
            scheduled: activity.scheduled.saturating_sub(before.scheduled),
            arrived: activity.arrived.saturating_sub(before.arrived),
            dropped: activity.dropped.saturating_sub(before.dropped),
            failed: failed(window),
            actions: self.cells(window),
        }
    }

    /// By action, in the order of [`Series::names`], to which those that are new are added.
    fn cells(&mut self, window: &Window) -> Vec<Cell> {
        let mut actions = vec![Cell::default(); self.names.len()];
        for (name, action) in &window.actions {
            if action.begun() == 0 {
                continue;
            }
            let at = match self.index.get(name) {
                Some(&at) => at,
                None if self.names.len() < MAX_SERIES_ACTIONS => {
                    self.names.push(name.clone());
                    self.index.insert(name.clone(), self.names.len() - 1);
                    actions.push(Cell::default());
                    self.names.len() - 1
                }
                None => continue,
            };
            actions[at] = Cell::of(action);
        }
        actions
    }

    fn halve(&mut self) {
        self.doublings += 1;
        let rows = std::mem::take(&mut self.rows);
        let mut rows = rows.into_iter();
        while let Some(mut row) = rows.next() {
            match rows.next() {
                Some(later) => {
                    row.merge(later);
                    self.rows.push(row);
                }
                // The odd one out waits for the interval it still lacks.
                None => self.partial = Some((row, 1 << (self.doublings - 1))),
            }
        }
    }
}

/// How many actions failed.
fn failed(window: &Window) -> u64 {
    window.actions.values().map(|action| action.failed).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn window(millis: u64) -> Window {
        let mut window = Window { span: SECOND, ..Window::default() };
        let action = window.action(&"get".into());
        let time = Duration::from_millis(millis);
        action.service.record(time);
        action.response.record(time);
        window
    }

    #[test]
    fn a_long_run_keeps_every_count_in_bounded_rows() {
        let mut series = Series::default();
        let windows: Vec<_> = (0..10).map(window).collect();
        let seconds = 3 * MAX_ROWS as u64 + 5;
        for second in 1..=seconds {
            let activity = Activity {
                running: 7,
                started: second * 2,
                ended: second * 2 - 1,
                scheduled: second * 3,
                arrived: second * 2,
                dropped: second,
            };
            series.push(SECOND * second as u32, activity, &windows[second as usize % 10]);
        }
        let rows: Vec<_> = series.rows().collect();
        assert!(rows.len() <= MAX_ROWS + 1 && rows.len() > MAX_ROWS / 2, "{}", rows.len());
        assert_eq!(rows.iter().map(|row| row.span).sum::<Duration>(), SECOND * seconds as u32);
        assert_eq!(rows.iter().map(|row| row.started).sum::<u64>(), seconds * 2);
        assert_eq!(rows.iter().map(|row| row.scheduled).sum::<u64>(), seconds * 3);
        assert_eq!(rows.iter().map(|row| row.dropped).sum::<u64>(), seconds);
        assert_eq!(rows.iter().map(|row| row.actions[0].count).sum::<u64>(), seconds);
        // All rows but the last stand for the same time, and end where the next begins.
        let (last, full) = rows.split_last().unwrap();
        assert!(full.iter().all(|row| row.span == SECOND * 4), "{:?}", full[0]);
        assert!(full.windows(2).all(|two| two[0].end + SECOND * 4 == two[1].end));
        assert_eq!(last.end, SECOND * seconds as u32);
    }

    #[test]
    fn a_row_of_two_shows_the_worse_percentile() {
        let mut series = Series::default();
        let windows = [window(2), window(1)];
        for second in 1..=MAX_ROWS as u32 + 1 {
            let window = &windows[second as usize % 2];
            series.push(SECOND * second, Activity::default(), window);
        }
        let first = series.rows().next().unwrap();
        assert_eq!(first.actions[0].response.p50(), Duration::from_millis(2));
        assert_eq!(first.actions[0].count, 2);
    }

    #[test]
    fn what_comes_late_counts_in_the_row_of_its_time() {
        let mut series = Series::default();
        // Nothing was known of the run until then.
        series.amend(SECOND, &window(1));
        assert_eq!(
            series.rows().map(|row| (row.end, row.actions[0].count)).collect::<Vec<_>>(),
            [(SECOND, 1)]
        );
        let mut series = Series::default();
        for second in 1..=3 {
            series.push(SECOND * second, Activity::default(), &window(5));
        }
        series.amend(SECOND * 2, &window(9));
        series.amend(SECOND * 2, &window(1));
        series.amend(SECOND * 7, &window(1));
        let rows: Vec<_> = series.rows().collect();
        let counts: Vec<_> = rows.iter().map(|row| row.actions[0].count).collect();
        assert_eq!(counts, [1, 3, 2]);
        let millis = [1, 2].map(|at: usize| rows[at].actions[0].service.p50().as_millis());
        assert_eq!(millis, [9, 5]);
    }

    #[test]
    fn coarse_rows_hold_all_that_fine_ones_do() {
        let mut series = Series::default();
        for second in 1..=1_000u32 {
            let activity = Activity { started: second.into(), ..Activity::default() };
            series.push(SECOND * second, activity, &window(u64::from(second % 9)));
        }
        for most in [1, 7, 600, 1_000, 5_000] {
            let rows = series.coarse(most);
            assert!(rows.len() <= most, "{} for {most}", rows.len());
            assert_eq!(rows.iter().map(|row| row.started).sum::<u64>(), 1_000);
            assert_eq!(rows.iter().map(|row| row.span).sum::<Duration>(), SECOND * 1_000);
            assert_eq!(rows.iter().map(|row| row.actions[0].count).sum::<u64>(), 1_000);
            let worst = rows.iter().map(|row| row.actions[0].service.p99()).max();
            assert!(worst >= Some(Duration::from_millis(8)), "{worst:?}");
        }
    }

    #[test]
    fn the_last_moments_of_a_run_are_not_lost() {
        let mut series = Series::default();
        let activity = |started| Activity { started, ..Activity::default() };
        series.close(SECOND / 2, activity(1), &Window { span: SECOND / 2, ..window(1) });
        assert_eq!(series.rows().count(), 1);
        series.push(SECOND, activity(2), &window(1));
        // A blink is no row of its own, but counts.
        let blink = Duration::from_millis(3);
        series.close(SECOND + blink, activity(5), &Window { span: blink, ..window(1) });
        let rows: Vec<_> = series.rows().collect();
        assert_eq!(rows.iter().map(|row| row.started).sum::<u64>(), 5);
        assert_eq!(rows.iter().map(|row| row.actions[0].count).sum::<u64>(), 3);
        assert_eq!(rows.last().unwrap().end, SECOND + blink);
    }
}
