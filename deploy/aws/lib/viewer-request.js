// What CloudFront does to a request before it signs it for a function's URL. Its
// signature takes the place of Authorization, and Host is the function's.
function handler(event) {
  var request = event.request
  var headers = request.headers
  var token = headers.authorization
  if (token) {
    if (token.multiValue && token.multiValue.length > 1) {
      return { statusCode: 400, statusDescription: 'Bad Request' } // which of them counts?
    }
    headers['ebb-authorization'] = { value: token.value }
    delete headers.authorization
  }
  headers['ebb-viewer-address'] = { value: event.viewer.ip } // whatever the browser said
  return request
}
