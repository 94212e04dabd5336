/** Complaints says beside a form what was wrong with it. */
export function Complaints({ about }: { about: readonly string[] }) {
  return (
    <div role="alert" className="complaints" data-testid="complaints">
      {about.map((text) => (
        <p key={text}>{text}</p>
      ))}
    </div>
  )
}
