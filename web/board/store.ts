/** Store is what a component looks at: it calls back after every change. */
export class Store {
  #changed = new Set<() => void>()

  /** subscribe calls back after every change; the result ends that. */
  subscribe = (changed: () => void): (() => void) => {
    this.#changed.add(changed)
    return () => void this.#changed.delete(changed)
  }

  protected tell(): void {
    for (const changed of [...this.#changed]) changed()
  }
}
