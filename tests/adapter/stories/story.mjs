/**
 * A story is told to any world whose caller can do what it `needs`. One that does nothing but wait and has nothing to do
 * with clients begins `early`, beside the others.
 */
export function story(title, tell, { needs = ["tell"], early = false } = {}) {
  return { title, tell, needs, early };
}
