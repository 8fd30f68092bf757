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
    assert!(size_of::<UserCore>() <= 112, "the record: {} bytes", size_of::<UserCore>());
    assert!(task_of(life) <= 320, "the task: {} bytes", task_of(life));
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
