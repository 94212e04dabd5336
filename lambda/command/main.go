// Command command takes commands and answers 202 once SNS has them, as an AWS
// Lambda function: see package lambda.
package main

import "github.com/ebb-events/ebb/lambda"

func main() { lambda.Start(lambda.Command(newSender)) }
