// The answer to whatever is not under /api, where the stack has no page.
function handler() {
  return {
    statusCode: 404,
    statusDescription: 'Not Found',
    headers: { 'cache-control': { value: 'no-store' } },
  }
}
