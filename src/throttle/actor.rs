//! The actor of one throttle: carries out what is asked of it, and owns the pacer and the work
//! that the throttle runs. When it ends, however it ends, nobody waits on.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use crowd_core::panic::panic_text;
use crowd_core::{
    refusal::{Code, Refusal},
    telemetry::event::ThrottleRate,
};
use futures_util::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::task::JoinSet;

use super::{Ramp, Rate, bucket::Bucket, gate::Gate, supply::Supply};

type Reply = RpcReplyPort<Result<(), Refusal>>;

/// What a throttle is told by its handles.
#[derive(Debug)]
pub(crate) enum Control {
    ChangeRate(Rate, Reply),
    Ramp(Box<Ramp>, Reply),
    Pause(Reply),
    Resume(Reply),
    /// The pacer ended: told by its own task.
    PacerEnded(String),
}

impl ractor::Message for Control {}

#[derive(Debug)]
pub(crate) struct ThrottleActor;

#[derive(Debug)]
pub(crate) struct State {
    gate: Arc<Gate>,
    /// Aborted when this is dropped.
    _pacer: JoinSet<()>,
}

impl Drop for State {
    fn drop(&mut self) {
        // Also when the actor was killed or panicked.
        self.gate.close();
    }
}

impl Actor for ThrottleActor {
    type Msg = Control;
    type State = State;
    type Arguments = Arc<Gate>;

    async fn pre_start(
        &self,
        myself: ActorRef<Control>,
        gate: Arc<Gate>,
    ) -> Result<State, ActorProcessingErr> {
        let mut pacer = JoinSet::new();
        let pace = AssertUnwindSafe(pace(gate.clone())).catch_unwind();
        pacer.spawn(async move {
            let Err(panic) = pace.await;
            // If the actor has ended already, it does not matter.
            let _ = myself.cast(Control::PacerEnded(panic_text(&*panic)));
        });
        Ok(State { gate, _pacer: pacer })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Control>,
        control: Control,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let gate = &state.gate;
        let (outcome, reply) = match control {
            Control::ChangeRate(rate, reply) => (change_rate(gate, rate), reply),
            Control::Ramp(ramp, reply) => (start_ramp(gate, *ramp), reply),
            Control::Pause(reply) => (told(gate, |bucket, now| bucket.pause(now)), reply),
            Control::Resume(reply) => (told(gate, |bucket, now| bucket.resume(now)), reply),
            Control::PacerEnded(reason) => return Err(format!("the pacer ended: {reason}").into()),
        };
        if !reply.is_closed() {
            // Who asked may have gone meanwhile.
            let _ = reply.send(outcome);
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<Control>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.gate.close();
        // Work that blocks its worker cannot be dropped yet; it must not hold up a stop.
        let _ = tokio::time::timeout(Duration::from_secs(1), state.gate.running.wait()).await;
        Ok(())
    }
}

/// Lets through what is due, when it is due. Deadlines are moments, so that a late wake-up delays
/// none but the slots it is late for.
async fn pace(gate: Arc<Gate>) -> std::convert::Infallible {
    loop {
        let next = gate.tick();
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = gate.changed() => {}
        }
    }
}

fn change_rate(gate: &Arc<Gate>, rate: Rate) -> Result<(), Refusal> {
    let outcome = gate.control(|supply, now| {
        let bucket = own(supply, gate)?;
        if bucket.rate_at(now) == rate {
            return Ok(false);
        }
        refuse_during_ramp(bucket, now, gate)?;
        bucket.set_rate(rate, now);
        Ok(true)
    });
    if outcome.unwrap_or_else(|| Err(stopped(gate)))? {
        gate.telemetry.emit(&ThrottleRate { name: gate.name.clone(), rate: rate.to_string() });
    }
    Ok(())
}

fn start_ramp(gate: &Arc<Gate>, ramp: Ramp) -> Result<(), Refusal> {
    let outcome = gate.control(|supply, now| {
        let bucket = own(supply, gate)?;
        refuse_during_ramp(bucket, now, gate)?;
        bucket.set_ramp(ramp, now);
        Ok(())
    });
    outcome.unwrap_or_else(|| Err(stopped(gate)))?;
    let (name, rate) = (gate.name.clone(), ramp.from().to_string());
    gate.telemetry.emit(&ThrottleRate { name, rate });
    Ok(())
}

fn told(gate: &Arc<Gate>, change: impl FnOnce(&mut Bucket, u64) -> bool) -> Result<(), Refusal> {
    // Whether it changed anything is of no interest: twice is as good as once.
    let outcome = gate.control(|supply, now| own(supply, gate).map(|bucket| change(bucket, now)));
    outcome.unwrap_or_else(|| Err(stopped(gate))).map(|_changed| ())
}

/// What the master leases, the master changes: its handles ask there.
fn own<'a>(supply: &'a mut Supply, gate: &Gate) -> Result<&'a mut Bucket, Refusal> {
    match supply {
        Supply::Own(bucket) => Ok(bucket),
        Supply::Leased(_) => Err(Refusal::new(
            Code::Unavailable,
            format!("throttle `{}` is the master's to change", gate.name),
        )),
    }
}

fn refuse_during_ramp(bucket: &Bucket, now: u64, gate: &Gate) -> Result<(), Refusal> {
    bucket.ramp_at(now).map_or(Ok(()), |ramp| Err(on_a_ramp(&gate.name, ramp)))
}

/// A rate cannot change during a ramp.
pub(super) fn on_a_ramp(name: &str, (ramp, left): (Ramp, u64)) -> Refusal {
    let left = humantime::format_duration(Duration::from_millis(left.div_ceil(1_000_000)));
    Refusal::new(
        Code::CannotChangeRate,
        format!(
            "throttle `{name}` is on a ramp ({ramp}) for another {left}; wait for its end, or stop it"
        ),
    )
}

fn stopped(gate: &Gate) -> Refusal {
    Refusal::new(Code::NoThrottle, format!("throttle `{}` was stopped", gate.name))
}
