import { hue } from './people.js'

/** Avatar is a user's letter in a user's colour; their name is said elsewhere. */
export function Avatar({ user, title }: { user: string; title?: string }) {
  return (
    <span className={`avatar hue-${hue(user)}`} aria-hidden="true" title={title}>
      {[...user][0]?.toUpperCase()}
    </span>
  )
}
