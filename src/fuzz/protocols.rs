//! What nodes that are linked tell each other: bodies, and the frames around them.

use std::{collections::BTreeMap, fmt::Debug, sync::OnceLock, time::Duration};

use crowd_core::{
    codec,
    rate::Rate,
    refusal::{Code, Refusal},
    user_id::{IdSet, UserId},
};
use crowd_measure::{Measure, Sample, Source, health::HealthSummary, series::Activity, wire};
use serde::{Serialize, de::DeserializeOwned};

use super::{choose, targets};
use crate::{
    cluster::{
        member::{Member, MemberId},
        mesh::Mesh,
        protocol::{
            coordinator::{Bytes, CoordinatorWork, Request, Requests},
            feed::{Ask, FeederAnswer, Given, Left, Tickets, ToFeeders},
            mail::{Letter, MailMessage},
            measure::{Interval, Measured, Taken},
            operate::{Operate, OperateAnswer, Orphan, RelayRequest},
            run::{
                Assignment, Beat, PlanBeat, PlanWords, RunSpec, ToMaster, ToWorker, WorkerAnswer,
            },
            throttle::{
                Change, Demand, Grant, Kind, RampTerms, Terms, ThrottleAnswer, ThrottleId, ToNode,
                ToThrottles, Which,
            },
        },
    },
    coordinator::Event,
    feed::Order,
    report::live::LiveAction,
    throttle::{Block, Started},
    user::elsewhere::Bounce,
};

/// The message in these bytes, if they are one. It is written and read again as it is.
fn read<T: Serialize + DeserializeOwned + Debug>(bytes: &[u8]) -> Option<T> {
    let message: T = codec::decode(bytes).ok()?;
    let written = codec::encode(&message).unwrap();
    let again: T = codec::decode(&written).unwrap();
    assert_eq!(codec::encode(&again).unwrap(), written, "{message:?}");
    Some(message)
}

/// An example behind the byte that chooses its type.
fn example<T: Serialize>(kind: u8, message: &T) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(codec::encode(message).unwrap());
    bytes
}

fn member() -> MemberId {
    MemberId::new("one", 7)
}

fn ids(ranges: &[(u64, u64)]) -> IdSet {
    IdSet::from(ranges.to_vec())
}

fn refusal() -> Refusal {
    Refusal::new(Code::BadUsage, "no")
}

fn coordinator(bytes: &[u8]) {
    match choose(bytes) {
        (0, bytes) => drop(read::<Requests>(bytes)),
        (_, bytes) => drop(read::<CoordinatorWork>(bytes)),
    }
}

fn coordinators() -> Vec<Vec<u8>> {
    let data = Bytes(bytes::Bytes::from_static(b"data"));
    let requests = vec![
        Request::Add { coordinator: 1, user: UserId(4), data: data.clone() },
        Request::Done { coordinator: 1, batch: 2, faults: 1, last_fault: Some("oh".into()) },
        Request::Finish { ticket: 9 },
    ];
    let work = CoordinatorWork::Run {
        turn: 1,
        coordinator: 1,
        batch: 2,
        item: 0,
        event: Event::Coordinate(2),
        size: Some(2),
        members: vec![(UserId(1), data.clone()), (UserId(2), data)],
    };
    vec![
        example(0, &Requests { turn: 1, frame: 3, requests }),
        example(1, &work),
        example(1, &CoordinatorWork::Answer { turn: 1, ticket: 2, outcome: Err(refusal()) }),
    ]
}

fn feed(bytes: &[u8]) {
    match choose(bytes) {
        (0, bytes) => drop(read::<ToFeeders>(bytes)),
        (_, bytes) => drop(read::<FeederAnswer>(bytes)),
    }
}

fn feeds() -> Vec<Vec<u8>> {
    let tickets = vec![Tickets { first: 3, count: 4 }, Tickets { first: 9, count: 1 }];
    let ask = Ask { lease: 1, number: 2, back: tickets.clone(), waiting: 3, ..Ask::default() };
    let start =
        ToFeeders::Start { name: "users".into(), order: Order::Unique, rows: 9, digest: u64::MAX };
    vec![
        example(0, &ToFeeders::Ask(ask)),
        example(0, &start),
        example(1, &FeederAnswer::Given(Given { tickets, left: Left::Later })),
        example(1, &FeederAnswer::Refused(refusal())),
    ]
}

fn mail(bytes: &[u8]) {
    drop(read::<MailMessage>(bytes));
}

fn mails() -> Vec<Vec<u8>> {
    let letter = Letter { from: Some(UserId(1)), to: UserId(9), message: b"hi".to_vec() };
    [
        MailMessage::Letters { run: 1, frame: 2, letters: vec![letter.clone(), letter] },
        MailMessage::Ack { frame: 2, bounced: vec![(0, Bounce::Gone), (1, Bounce::Full)] },
    ]
    .map(|message| codec::encode(&message).unwrap())
    .into()
}

fn measured(bytes: &[u8]) {
    let (kind, bytes) = choose(bytes);
    if kind == 0 {
        let _ = read::<Taken>(bytes);
        return;
    }
    let Some(Measured::Interval(interval)) = read::<Measured>(bytes) else { return };
    let Ok(part) = wire::Part::clone(&interval.part).check() else { return };
    let (mut one, mut all) = Default::default();
    let mut waiting = BTreeMap::new();
    // It comes from several nodes.
    for later in [Duration::ZERO, interval.until] {
        part.add_to(&mut [&mut one, &mut all], later);
        part.add_waiting_to(&mut waiting);
    }
    let rows = LiveAction::of(&all);
    assert!(rows.len() <= all.actions.len());
}

fn measurements() -> Vec<Vec<u8>> {
    let measure = Measure::default();
    for millis in [1_u64, 20, 20, 3_000, 4_000_000] {
        let time = Duration::from_millis(millis);
        measure.record("login", Sample { service: time, response: time * 2, failure: None });
    }
    let failure = crowd_core::failure::Failure::target("no route to 10.0.0.1:80");
    measure.failure(Source::ALL[0], &failure);
    measure.count("bytes", 17);
    measure.gauge("depth", 2.5);
    measure.check("has a title", false);
    let part = wire::parts(&measure.snapshot().total).into_iter().next().unwrap();
    let interval = Interval {
        assignment: Assignment(3),
        number: 1,
        piece: 0,
        origin: 5,
        sent: 9,
        until: Duration::from_secs(1),
        activity: Activity { running: 5, ..Activity::default() },
        health: Some(Box::new(HealthSummary { cores: 2.0, ..HealthSummary::default() })),
        part: part.into(),
    };
    vec![
        example(1, &Measured::Interval(Box::new(interval))),
        example(1, &Measured::Sync { assignment: Assignment(3), last: Some(4) }),
        example(0, &Taken::UpTo(7)),
    ]
}

fn operate(bytes: &[u8]) {
    match choose(bytes) {
        (0, bytes) => drop(read::<Operate>(bytes)),
        (_, bytes) => {
            if let Some(OperateAnswer::Relayed(Ok(packed))) = read(bytes) {
                let _ = packed.unpack();
            }
        }
    }
}

fn operations() -> Vec<Vec<u8>> {
    let packed = crate::cluster::packed::Packed::new("for people", "{\"for\": \"programs\"}");
    let orphan = Orphan { scenario: "chat".into(), master: member(), users: 3 };
    vec![
        example(0, &Operate::Known { master: Some(member()) }),
        example(0, &Operate::Relay(RelayRequest { line: "add 10".into() })),
        example(1, &OperateAnswer::Relayed(Ok(packed))),
        example(1, &OperateAnswer::Orphan(Some(orphan))),
        example(1, &OperateAnswer::Taken(member())),
    ]
}

fn of_the_run(bytes: &[u8]) {
    match choose(bytes) {
        (0, bytes) => match read(bytes) {
            Some(ToWorker::Place { users, .. }) => counted(&users),
            Some(ToWorker::Plan { words, .. }) => counted(&words.reserve),
            _ => {}
        },
        (1, bytes) => drop(read::<WorkerAnswer>(bytes)),
        (_, bytes) => {
            if let Some(ToMaster::Beat(beat)) = read(bytes) {
                counted(&beat.ended);
                counted(&beat.released.without(&beat.ended));
                beat.living.iter().for_each(counted);
            }
        }
    }
}

/// A set of ids knows how many they are.
fn counted(ids: &IdSet) {
    let sizes = ids.ranges().map(|range| u128::from(range.end() - range.start()) + 1);
    assert_eq!(sizes.sum::<u128>(), u128::from(ids.len()));
}

fn runs() -> Vec<Vec<u8>> {
    let assignment = Assignment(3);
    let run = RunSpec {
        id: "r".into(),
        scenario: "chat".into(),
        settings: vec![("user_rate".into(), "10/s".into())],
        elapsed: Duration::from_secs(3),
    };
    let words = PlanWords { message: 2, users: 9, reserve: ids(&[(20, 29)]), ..Default::default() };
    let beat = Beat {
        assignment,
        ended: ids(&[(1, 4), (9, 9)]),
        released: ids(&[(2, 3)]),
        living: Some(ids(&[(5, 8)])),
        plan: PlanBeat { heard: 1, ..PlanBeat::default() },
        reason: Some("it broke".into()),
        ..Beat::default()
    };
    let changes = vec![(ids(&[(1, 4)]), Some(member())), (ids(&[(5, 6)]), None)];
    vec![
        example(0, &ToWorker::Begin { assignment, run }),
        example(0, &ToWorker::Place { assignment, users: ids(&[(1, 4), (9, 9)]) }),
        example(0, &ToWorker::Whereabouts { assignment, changes }),
        example(0, &ToWorker::Plan { assignment, began: 1, sent: 2, words }),
        example(1, &WorkerAnswer::Refused(refusal())),
        example(2, &ToMaster::Beat(Box::new(beat))),
    ]
}

fn throttle(bytes: &[u8]) {
    match choose(bytes) {
        (0, bytes) => drop(read::<ToThrottles>(bytes)),
        (1, bytes) => drop(read::<ThrottleAnswer>(bytes)),
        (_, bytes) => {
            if let Some(ToNode::Grants { grants, .. }) = read(bytes) {
                for block in grants.iter().flat_map(|grant| &grant.blocks) {
                    assert!(block.due(0) <= block.due(block.count));
                }
            }
        }
    }
}

fn throttles() -> Vec<Vec<u8>> {
    let [slow, fast] = [Rate::per_second(10), Rate::per_second(200)];
    let ramp = RampTerms { from: slow, to: fast, over: Duration::from_secs(60), steps: Some(4) };
    let terms = Terms {
        id: ThrottleId(1),
        name: "login".into(),
        era: 1,
        revision: 2,
        kind: Kind::Timed,
        paused: false,
        until: 9,
        tolerance: 5_000_000,
        rate: slow,
        ramp: Some((ramp, 7)),
    };
    let block = Block { start: 3, step: 100, count: 4 };
    let grant =
        Grant { id: ThrottleId(1), era: 1, blocks: vec![block], dealt: 4, ..Grant::default() };
    let which = Which::This(ThrottleId(1), "login".into());
    vec![
        example(0, &ToThrottles::Start { name: "login".into(), rate: Rate::at_once(8) }),
        example(0, &ToThrottles::Change { which, change: Change::Ramp(ramp) }),
        example(0, &ToThrottles::Demand(vec![Demand::default()])),
        example(1, &ThrottleAnswer::Started(Started::New, Some(Box::new(terms.clone())))),
        example(2, &ToNode::Grants { sent: 4, grants: vec![grant] }),
        example(2, &ToNode::Terms(vec![terms])),
    ]
}

/// A node that takes messages of all protocols.
fn frame(bytes: &[u8]) {
    static MESH: OnceLock<Mesh> = OnceLock::new();
    let mesh = MESH.get_or_init(|| {
        let id = MemberId::new("here", 1);
        let (address, version) = ("127.0.0.1:1".to_owned(), "0".to_owned());
        let mesh = Mesh::new(Member { id, address, version, since: 0 });
        mesh.serve(|_, _: Requests, _| ());
        mesh.serve(|_, _: CoordinatorWork, _| ());
        mesh.serve(|_, _: ToFeeders, _| ());
        mesh.serve(|_, _: MailMessage, _| ());
        mesh.serve(|_, _: Measured, _| ());
        mesh.serve(|_, _: Operate, _| ());
        mesh.serve(|_, _: ToWorker, _| ());
        mesh.serve(|_, _: ToMaster, _| ());
        mesh.serve(|_, _: ToThrottles, _| ());
        mesh.serve(|_, _: ToNode, _| ());
        mesh
    });
    let _ = mesh.deliver(&member(), bytes);
}

/// Messages of every protocol in frames: the service, a cast or a call, the body.
fn frames() -> Vec<Vec<u8>> {
    let bodies = [runs(), operations(), throttles(), coordinators(), measurements()].concat();
    let frame = |(service, body): (u8, Vec<u8>)| {
        let mut frame = vec![service, 0, u8::try_from(body.len()).ok()?];
        frame.extend(body);
        Some(frame)
    };
    (0..10).zip(bodies).filter_map(frame).collect()
}

targets! {
    /// Frames of the mesh.
    frames_of_the_mesh(frame, frames());
    /// Coordinators over nodes.
    protocol_coordinator(coordinator, coordinators());
    /// Feeders over nodes.
    protocol_feed(feed, feeds());
    /// Messages of users.
    protocol_mail(mail, mails());
    /// Measurements, up to what they are added to.
    protocol_measure(measured, measurements());
    /// Who is master, and operators' commands.
    protocol_operate(operate, operations());
    /// The run.
    protocol_run(of_the_run, runs());
    /// Throttles over nodes.
    protocol_throttle(throttle, throttles());
}
