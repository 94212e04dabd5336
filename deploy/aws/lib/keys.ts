import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'

/**
 * Keys are the secrets that Ebb's parts share. They are made at the first
 * deployment and never seen; each is known to those alone who need it.
 */
export class Keys extends Construct {
  /** Seals the user into the redirect's URL: connect and setup. */
  readonly ticket: ISecret
  /** The edge signs its set-up calls with it: setup and the edge. */
  readonly grip: ISecret
  /** Publishers must have it: notify and the edge; or Fastly's token. */
  readonly publish: ISecret

  constructor(scope: Construct, id: string) {
    super(scope, id)
    this.ticket = this.key('Ticket', 'Ebb: seals the user into the redirect to the edge')
    this.grip = this.key('Grip', 'Ebb: the edge signs its set-up calls with it')
    this.publish = this.key('Publish', 'Ebb: who has it may publish to all users')
  }

  private key(id: string, description: string): ISecret {
    return new Secret(this, id, { description, generateSecretString: { passwordLength: 64, excludePunctuation: true } })
  }
}
