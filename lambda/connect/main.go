// Command connect redirects browsers to the edge, as an AWS Lambda function: see
// package lambda.
package main

import "github.com/ebb-events/ebb/lambda"

func main() { lambda.Start(lambda.Connect) }
