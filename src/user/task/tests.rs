use super::*;
use crate::{
    scenario::{Run, Scenario},
    user::User,
};

struct Waits;

impl Scenario for Waits {
    const NAME: &'static str = "waits";
    type Settings = ();
    type Message = ();

    async fn init(_: &Run<Self>) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        user.stopped().await;
        Ok(())
    }
}

async fn life(scenario: Arc<Waits>, user: User<Waits>) -> Result<(), Failure> {
    scenario.start(user).await
}

fn task_of<A, B, L>(_: fn(A, B) -> L) -> usize {
    size_of::<UserTask<L>>()
}

/// What a million users cost hangs on these two; the benchmark `users` measures the rest.
#[test]
fn a_user_that_waits_is_small() {
    assert!(size_of::<UserCore>() <= 120, "the record: {} bytes", size_of::<UserCore>());
    assert!(task_of(life) <= 320, "the task: {} bytes", task_of(life));
}

/// A process that was frozen and goes on long after must not let its users go on.
#[tokio::test(start_paused = true)]
async fn no_user_acts_after_its_deadline() {
    let exits = Arc::new(ExitBox::new(|| {}));
    let fence = Fence::default();
    let measure = Measure::new(crowd_core::telemetry::Telemetry::default());
    let watch =
        Arc::new(Watch { exits: exits.clone(), measure, scenario: "acts", fence: fence.clone() });
    let acts = Arc::new(Mutex::new(0));
    // Dropping what the user holds is told before its end.
    struct Holds(Arc<Mutex<u32>>, Arc<ExitBox>);
    impl Drop for Holds {
        fn drop(&mut self) {
            assert!(self.1.exits.lock().unwrap().is_empty());
        }
    }
    let holds = Holds(acts.clone(), exits.clone());
    let life = std::future::poll_fn(move |_| {
        *holds.0.lock().unwrap() += 1;
        Poll::Pending
    });
    let core = Arc::new(UserCore::new(UserId(7), Instant::now()));
    let mut task = Box::pin(UserTask::new(core, watch, life));
    let mut poll = || task.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
    assert_eq!(poll(), Poll::Pending);
    fence.set(Instant::now() + Duration::from_secs(4));
    tokio::time::advance(Duration::from_millis(3_999)).await;
    assert_eq!(poll(), Poll::Pending);
    fence.set(Instant::now() + Duration::from_secs(4));
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!((poll(), *acts.lock().unwrap()), (Poll::Pending, 3), "a deadline can be moved");
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!((poll(), *acts.lock().unwrap()), (Poll::Ready(()), 3));
    assert!(exits.take().is_empty(), "its own things go before its end is told");
    drop(task);
    let ending = exits.take().pop().map(|exit| (exit.user, exit.ending));
    assert_eq!(ending, Some((UserId(7), Ending::Killed)));
    fence.lift();
    assert!(!fence.is_over());
    fence.close();
    assert!(fence.is_over());
}

/// The answer may have come while the process was frozen: nobody was there to see it.
#[tokio::test(start_paused = true)]
async fn what_was_under_way_in_a_frozen_process_waited_until_its_deadline() {
    let (fence, measure) = (Fence::default(), Measure::default());
    let exits = Arc::new(ExitBox::new(|| {}));
    let of_task = measure.clone();
    let watch = Arc::new(Watch { exits, measure: of_task, scenario: "acts", fence: fence.clone() });
    let of_life = measure.clone();
    let life = async move {
        let _attempt = of_life.begin("get", Instant::now(), None);
        std::future::pending().await
    };
    let core = Arc::new(UserCore::new(UserId(7), Instant::now()));
    let mut task = Box::pin(UserTask::new(core, watch, life));
    assert_eq!(
        task.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())),
        Poll::Pending
    );
    fence.set(Instant::now() + Duration::from_secs(4));
    tokio::time::advance(Duration::from_secs(3_600)).await;
    // When the process thaws it is cut off.
    fence.close();
    drop(task);
    let waited = |action: &str| {
        let found = measure.snapshot().total.actions[action].unfinished.clone();
        (found.count(), found.service().max().as_millis() / 100)
    };
    assert_eq!(waited("get"), (1, 40));
    // That is of this user alone.
    let put = measure.begin("put", Instant::now(), None);
    tokio::time::advance(Duration::from_secs(7)).await;
    drop(put);
    assert_eq!(waited("put"), (1, 70));
}

#[test]
fn a_box_calls_once_for_all_it_holds() {
    let calls = Arc::new(Mutex::new(0));
    let count = calls.clone();
    let exits = ExitBox::new(move || *count.lock().unwrap() += 1);
    let exit = |id| Exit { user: UserId(id), ending: Ending::Finished, age: Duration::ZERO };
    exits.put(exit(1));
    exits.put(exit(2));
    assert_eq!(*calls.lock().unwrap(), 1);
    assert_eq!(exits.take().len(), 2);
    exits.put(exit(3));
    assert_eq!(*calls.lock().unwrap(), 2);
}
