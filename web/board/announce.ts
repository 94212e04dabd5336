import { Store } from './store.js'

/** Voice says to screen readers what others see. */
class Voice extends Store {
  text = ''

  say = (text: string): void => {
    this.text = text === this.text ? `${text}\u00a0` : text // the same again is spoken again
    this.tell()
  }
}

export const voice = new Voice()
