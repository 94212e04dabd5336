// Command setup tells the edge which channel to hold, as an AWS Lambda function: see
// package lambda.
package main

import "github.com/ebb-events/ebb/lambda"

func main() { lambda.Start(lambda.Setup) }
