// `AsyncLocalStorage` and `AsyncResource` of the function runtime, over the value that V8 carries
// along promise chains.

import { captureContext, runInContext, storedValue, storeValue } from "./scope.ts";

type AnyFunction = (...args: never[]) => unknown;

export class AsyncLocalStorage<T> {
  static bind<F extends AnyFunction>(fn: F): F {
    return bindContext(fn);
  }

  static snapshot(): <R>(fn: (...args: unknown[]) => R, ...args: unknown[]) => R {
    const context = captureContext();
    return (fn, ...args) => runInContext(context, () => fn(...args));
  }

  run<R>(store: T, callback: (...args: unknown[]) => R, ...args: unknown[]): R {
    return runInContext(captureContext(), () => {
      storeValue(this, store);
      return callback(...args);
    });
  }

  exit<R>(callback: (...args: unknown[]) => R, ...args: unknown[]): R {
    return runInContext(captureContext(), () => {
      storeValue(this, undefined);
      return callback(...args);
    });
  }

  enterWith(store: T): void {
    storeValue(this, store);
  }

  getStore(): T | undefined {
    return storedValue(this) as T | undefined;
  }

  disable(): void {
    storeValue(this, undefined);
  }
}

export class AsyncResource {
  static bind<F extends AnyFunction>(fn: F): F {
    return bindContext(fn);
  }

  readonly #context = captureContext();

  runInAsyncScope<R>(fn: (...args: unknown[]) => R, thisArg?: unknown, ...args: unknown[]): R {
    return runInContext(this.#context, () => fn.apply(thisArg, args));
  }

  bind<F extends AnyFunction>(fn: F): F {
    const context = this.#context;
    return bindTo(context, fn);
  }
}

function bindContext<F extends AnyFunction>(fn: F): F {
  return bindTo(captureContext(), fn);
}

function bindTo<F extends AnyFunction>(context: unknown, fn: F): F {
  return function (this: unknown, ...args: unknown[]) {
    return runInContext(
      context,
      () => (fn as unknown as typeof Function.prototype).apply(this, args),
    );
  } as unknown as F;
}
