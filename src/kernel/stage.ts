/**
 * The stage: nact actors that run behaviours, one event in flight. The only importer of nact.
 */
import { dispatch, spawn, start, stop, type Ref } from 'nact';
import type { Behaviour, Context, Effect, Message, Transition } from './effects.js';

/** A message, and what its receiver may know of the world. */
export interface Letter {
  readonly message: Message;
  readonly context: Context;
}

/** What travels to a nact actor: messages, and where the outcome of each goes. */
interface Delivery {
  readonly letters: readonly Letter[];
  readonly resolve: (outcomes: readonly (readonly Effect[])[]) => void;
  readonly reject: (error: unknown) => void;
}

/** A reference that knows which message it takes; nact's own types do not check that. */
type TRef<M> = Ref<M> & { readonly __message?: M };

// nact keeps actor systems in one map by name, and would draw a random name for an unnamed one.
let systems = 0;

/** Spawns behaviours as named nact actors and hands them one message at a time. */
export class Stage {
  // nact's types forget that a plug-in may name the system.
  private readonly system = start({ name: `straggler-${(systems += 1)}` } as unknown as string);
  private readonly actors = new Map<
    string,
    { ref: TRef<Delivery>; waiting: () => string | undefined; state: () => unknown }
  >();

  /** Spawns `behaviour` under `name` and returns its effects at time 0. */
  spawn<State>(name: string, behaviour: Behaviour<State>, context: Context): readonly Effect[] {
    const first = initiate(name, behaviour, context);
    // A mirror of nact's state, which nact itself never shows.
    let current = first.state;
    const answer = ({ message, context }: Letter): readonly Effect[] => {
      try {
        const { state, effects } = behaviour.receive(current, message, context);
        current = state;
        return effects;
      } catch (error) {
        throw new Error(`${name} threw on ${message.kind} ${JSON.stringify(message.facts)}`, { cause: error });
      }
    };
    const act = (_: State, { letters, resolve, reject }: Delivery): State => {
      try {
        resolve(letters.map(answer));
      } catch (error) {
        reject(error); // nact would swallow it and drop later messages; the run must fail instead.
      }
      return current;
    };
    const ref = spawn(this.system, act, name, { initialState: first.state });
    this.actors.set(name, { ref, waiting: () => behaviour.waiting?.(current), state: () => current });
    return first.effects;
  }

  /** Delivers one message; resolves with the effects once the handler has returned. */
  deliver(name: string, message: Message, context: Context): Promise<readonly Effect[]> {
    return new Promise((resolve, reject) => {
      this.dispatch(name, { letters: [{ message, context }], resolve: ([effects]) => resolve(effects!), reject });
    });
  }

  /** Delivers messages one after the other; resolves with the effects of each once the last handler has returned. */
  deliverAll(name: string, letters: readonly Letter[]): Promise<readonly (readonly Effect[])[]> {
    return new Promise((resolve, reject) => {
      this.dispatch(name, { letters, resolve, reject });
    });
  }

  /** Who waits for what, one sentence an actor. */
  waiting(): string[] {
    return [...this.actors].flatMap(([name, actor]) => {
      const reason = actor.waiting();
      return reason === undefined ? [] : [`${name} ${reason}`];
    });
  }

  /** The present state of every actor, by name. */
  states(): Map<string, unknown> {
    return new Map([...this.actors].map(([name, actor]) => [name, actor.state()]));
  }

  close(): void {
    stop(this.system);
  }

  private dispatch(name: string, delivery: Delivery): void {
    const actor = this.actors.get(name);
    if (actor === undefined) throw new Error(`no actor is named ${name}`);
    dispatch(actor.ref, delivery);
  }
}

function initiate<State>(name: string, { init }: Behaviour<State>, context: Context): Transition<State> {
  try {
    return init(context);
  } catch (error) {
    throw new Error(`${name} threw at its start`, { cause: error });
  }
}
