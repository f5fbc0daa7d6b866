/**
 * An oracle: Algorithm 1 on quadratics as plain loops over float64 arrays. It shares no code with the project:
 * no actors, no tracer, no tensors, only the problem's arrays D_j, c_j.
 */

export interface Quadratics {
  readonly workers: number;
  readonly n: number;
  /** `[M, n, n]` and `[M, n]`, row-major. */
  readonly D: ArrayLike<number>;
  readonly c: ArrayLike<number>;
}

export interface Steps {
  readonly lambda: number;
  readonly eta: number;
  readonly sigma: number;
  readonly tau: number;
  readonly kappa: number;
  readonly nu: number;
  readonly scaling: 'literal' | 'scaled' | 'mean';
}

export interface Point {
  u: number[];
  z: number[][];
  v: number[][];
}

export function start(u: ArrayLike<number>, workers: number): Point {
  const from = (): number[] => Array.from(u);
  return {
    u: from(),
    z: Array.from({ length: workers }, from),
    v: Array.from({ length: workers }, () => from().fill(0)),
  };
}

/** One worker step of worker j against `u`: changes z_j and v_j. */
export function stepWorker(
  { n, D, c }: Quadratics,
  { lambda, eta, sigma, kappa, nu }: Steps,
  point: Point,
  j: number,
  u: number[],
): void {
  const z = point.z[j]!;
  const v = point.v[j]!;
  const y = z.map((value, i) => value + kappa * v[i]!);
  for (let i = 0; i < n; i += 1) {
    let gradient = nu * y[i]!;
    for (let k = 0; k < n; k += 1) gradient += D[(j * n + i) * n + k]! * (y[k]! - c[j * n + k]!);
    gradient -= (2 / (lambda * eta * eta)) * (u[i]! - y[i]!);
    v[i] = kappa * v[i]! - sigma * gradient;
  }
  for (let i = 0; i < n; i += 1) z[i]! += v[i]!;
}

/** One consensus move with the given copies: the new u. */
export function moveConsensus({ lambda, eta, tau, scaling }: Steps, u: number[], copies: number[][]): number[] {
  return u.map((value, i) => {
    if (scaling === 'mean') return copies.reduce((sum, z) => sum + z[i]!, 0) / copies.length;
    const force = copies.reduce((sum, z) => sum + (2 * (value - z[i]!)) / (eta * eta), 0);
    return value - tau * (scaling === 'scaled' ? force / lambda : force);
  });
}

/** The minimiser of F over u: sum_j [K_j (K_j + rho)^-1] u = ... solved by Gauss-Seidel on (u, z) until nothing moves. */
export function minimiser(
  { workers, n, D, c }: Quadratics,
  { lambda, eta, nu }: Steps,
): { u: number[]; z: number[][] } {
  const rho = 2 / (lambda * eta * eta);
  let u = new Array<number>(n).fill(0);
  const z = Array.from({ length: workers }, () => new Array<number>(n).fill(0));
  for (let sweep = 0; sweep < 20_000; sweep += 1) {
    // z_j solves (D_j + (nu + rho) I) z_j = D_j c_j + rho u: one Gauss-Seidel pass over its coordinates.
    for (let j = 0; j < workers; j += 1) {
      for (let i = 0; i < n; i += 1) {
        let right = rho * u[i]!;
        for (let k = 0; k < n; k += 1) {
          const d = D[(j * n + i) * n + k]!;
          right += d * c[j * n + k]!;
          if (k !== i) right -= d * z[j]![k]!;
        }
        z[j]![i] = right / (D[(j * n + i) * n + i]! + nu + rho);
      }
    }
    const next = u.map((_, i) => z.reduce((sum, zj) => sum + zj[i]!, 0) / workers);
    const change = Math.max(...next.map((value, i) => Math.abs(value - u[i]!)));
    u = next;
    if (change < 1e-15) break;
  }
  return { u, z };
}
