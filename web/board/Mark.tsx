/** Mark is the name of the house. */
export function Mark() {
  return (
    <span className="mark">
      <img src="./favicon.svg" alt="" width="24" height="24" />
      Ebb <span className="quiet">task board</span>
    </span>
  )
}
