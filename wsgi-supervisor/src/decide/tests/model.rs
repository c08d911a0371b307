//! All histories of a small model, as far as its bound: two groups of two slots each, whose processes serve, ask, fail and die,
//! configurations, an operator, and the end. `stateright` visits each world once.

use super::super::event::{GroupOrder, ProcessEvent};
use super::super::plan::SupervisorEnd;
use super::world::{CRASHED, World, group, preloading};
use super::{histories, key};
use stateright::{Checker, Model, Property};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;
use wsgi_protocol::control::GroupSpec;
use wsgi_protocol::launch::ReadyByte;

/// Steps that `make test` looks ahead.
const DEPTH: usize = 3;

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ModelStep {
    /// The process says this.
    Says(i32, ReadyByte),
    /// It dies without having been told to.
    Crashes(i32),
    /// It does what it was ordered to.
    Obeys(i32),
    /// The worker that was asked for first is there.
    IsBorn,
    /// It will not come.
    IsNotBorn,
    /// Time passes until something is due.
    Waits,
    /// There is no room for processes, or there is again.
    Fills(bool),
    /// The same configuration once more.
    Configures,
    /// No child of the generation before the newest is left.
    Childless,
    /// An operator.
    Operates(usize, GroupOrder),
    /// The end.
    Ends(SupervisorEnd),
}

/// How a world has come about, and what makes it the same as another one. (Worlds stay in their thread.)
#[derive(Debug, Clone)]
struct ModelState {
    steps: Vec<ModelStep>,
    key: Vec<u64>,
    /// The last step led to something that must not be.
    is_broken: bool,
}

impl PartialEq for ModelState {
    fn eq(&self, other: &Self) -> bool {
        (&self.key, self.is_broken) == (&other.key, other.is_broken)
    }
}

impl Hash for ModelState {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (&self.key, self.is_broken).hash(hasher);
    }
}

/// The groups of the model.
#[derive(Debug)]
struct SmallModel(Vec<GroupSpec>);

impl SmallModel {
    /// The world that these steps lead to; `None`: something was found that must not be.
    fn world(&self, steps: &[ModelStep]) -> Option<World> {
        catch_unwind(AssertUnwindSafe(|| {
            let mut world = World::new();
            world.configure(&self.0);
            steps.iter().for_each(|step| take(&mut world, &self.0, *step));
            world
        }))
        .ok()
    }

    fn state(&self, steps: Vec<ModelStep>) -> ModelState {
        match self.world(&steps) {
            Some(world) => ModelState { steps, key: key::of(&world), is_broken: false },
            None => ModelState { steps, key: Vec::new(), is_broken: true },
        }
    }

    /// What a process may do next.
    fn add_steps_of(&self, pid: i32, world: &World, steps: &mut Vec<ModelStep>) {
        let process = world.process(pid);
        if process.ending.is_none() {
            let says = match (process.served, process.is_zygote(), process.is_successor) {
                (None, ..) => {
                    [Some(ReadyByte::Serving), process.is_successor.then_some(ReadyByte::ImportFailed)]
                }
                (Some(_), true, _) => [None, None],
                (Some(_), false, _) if process.asked.is_none() => {
                    [Some(ReadyByte::Replace), Some(ReadyByte::Recycle)]
                }
                (Some(_), ..) => [None, None],
            };
            steps.extend(says.into_iter().flatten().map(|ready| ModelStep::Says(pid, ready)));
            steps.push(ModelStep::Crashes(pid));
        } else if world.orders.contains_key(&pid) {
            steps.push(ModelStep::Obeys(pid));
        }
    }
}

impl Model for SmallModel {
    type State = ModelState;
    type Action = ModelStep;

    fn init_states(&self) -> Vec<ModelState> {
        vec![self.state(Vec::new())]
    }

    fn actions(&self, state: &ModelState, steps: &mut Vec<ModelStep>) {
        let Some(world) = self.world(&state.steps) else { return };
        world.alive.iter().for_each(|pid| self.add_steps_of(*pid, &world, steps));
        if !world.asked.is_empty() {
            steps.extend([ModelStep::IsBorn, ModelStep::IsNotBorn]);
        }
        if world.machine.wake().is_some() {
            steps.push(ModelStep::Waits);
        }
        if world.machine.ending().is_some() {
            return;
        }
        steps.push(ModelStep::Fills(!world.is_full));
        steps.push(ModelStep::Configures);
        if world.machine.is_live(world.last.1 - 1) {
            steps.push(ModelStep::Childless);
        }
        for index in 0..self.0.len() {
            let orders = [
                GroupOrder::Restart,
                GroupOrder::Scale(1),
                GroupOrder::Scale(2),
                GroupOrder::Stop,
                GroupOrder::Start,
            ];
            steps.extend(orders.map(|order| ModelStep::Operates(index, order)));
        }
        steps.extend([SupervisorEnd::Stop, SupervisorEnd::Retire].map(ModelStep::Ends));
    }

    fn next_state(&self, state: &ModelState, step: ModelStep) -> Option<ModelState> {
        Some(self.state([state.steps.as_slice(), &[step]].concat()))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing is that must not be", |_, state: &ModelState| !state.is_broken),
            Property::always(
                "all is served when it is calm, and all ends",
                |model: &Self, state: &ModelState| {
                    let Some(mut world) = model.world(&state.steps) else { return true };
                    catch_unwind(AssertUnwindSafe(|| histories::calm_down(&mut world))).is_ok()
                },
            ),
        ]
    }
}

fn take(world: &mut World, groups: &[GroupSpec], step: ModelStep) {
    match step {
        ModelStep::Says(pid, ready) => _ = world.says(pid, ready),
        ModelStep::Crashes(pid) => _ = world.ends(pid, CRASHED),
        ModelStep::Obeys(pid) => world.obeys(pid),
        ModelStep::IsBorn => _ = world.bear(),
        ModelStep::IsNotBorn => {
            world.on(ProcessEvent::Unborn(world.asked[0].0));
            world.tick();
        }
        ModelStep::Waits => {
            world.now = world.machine.wake().map_or(world.now, |at| at.max(world.now));
            world.tick();
        }
        ModelStep::Fills(is_full) => world.is_full = is_full,
        ModelStep::Configures => _ = world.configure(groups),
        ModelStep::Childless => {
            world.on(ProcessEvent::Childless(world.last.1 - 1));
            world.tick();
        }
        ModelStep::Operates(index, order) => {
            let name = String::from_utf8_lossy(&groups[index].name).into_owned();
            let _ = world.operate(&name, order);
        }
        ModelStep::Ends(end) => _ = world.end(end),
    }
}

/// Visits all worlds that so many steps lead to.
fn explore(groups: Vec<GroupSpec>, depth: usize) {
    let began = Instant::now();
    // The first world has depth 1, and those of the greatest depth are not looked at.
    let checker = SmallModel(groups).checker().threads(2).target_max_depth(depth + 2).spawn_bfs().join();
    let (worlds, steps, seconds) =
        (checker.unique_state_count(), checker.state_count(), began.elapsed().as_secs_f64());
    println!("{worlds} worlds, {steps} steps between them, {depth} steps deep, {seconds:.1} s");
    checker.assert_properties();
}

fn depth() -> usize {
    std::env::var("WSGI_MODEL_DEPTH").ok().and_then(|text| text.parse().ok()).unwrap_or(DEPTH)
}

#[test]
fn all_histories_of_two_groups_with_two_slots() {
    explore(vec![group("a", 2), GroupSpec { exclusive: true, ..group("s", 2) }], depth());
}

#[test]
fn all_histories_of_two_groups_with_a_zygote_in_one() {
    explore(vec![group("a", 2), preloading("p", 2)], depth());
}
