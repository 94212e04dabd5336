// A back end for an edge, out of unmodified libraries. It prints its port when
// it serves, and ends when its input does.
import http from 'node:http';
import { ServeGrip } from '@fanoutio/serve-grip';
import { EventStream } from '@fanoutio/eventstream';
import { HttpResponseFormat, HttpStreamFormat, Publisher } from '@fanoutio/grip';

const grip = process.env.GRIP_URL;
const serveGrip = new ServeGrip({ grip });
const eventStream = new EventStream({ grip, gripPrefix: '' });
const opaque = new Publisher({ control_uri: process.env.CONTROL_URL, key: process.env.PUBLISH_KEY }); // a bearer token
const basic = new Publisher({ control_uri: process.env.CONTROL_URL, user: 'realm', pass: process.env.PUBLISH_KEY });

const routes = {
	// An application of server-sent events.
	'/events': eventStream('eventstream'),
	'/say': async (req, res, url) => {
		await eventStream.publishEvent('eventstream', { event: 'message', data: { text: url.searchParams.get('text') } });
		res.end('said\n');
	},

	// The same with instructions of one's own.
	'/stream': (req, res) => {
		const instruct = res.grip.startInstruct();
		instruct.addChannel('stream');
		instruct.setHoldStream();
		instruct.setKeepAlive('still here\n', 1);
		res.setHeader('Content-Type', 'text/plain');
		res.end('open\n');
	},
	'/poll': (req, res, url) => {
		const instruct = res.grip.startInstruct();
		instruct.addChannel('poll');
		instruct.setHoldLongPoll(Number(url.searchParams.get('timeout') ?? 55));
		res.setHeader('Content-Type', 'text/plain');
		res.end('nothing\n');
	},
	// serve-grip 2.0.0 forgets to wait for the verdict, so its own isSigned is
	// true of any signature.
	'/sig': async (req, res) => {
		res.end(JSON.stringify(await serveGrip.getPublisher().validateGripSig(req.headers['grip-sig'])));
	},

	'/publish': async (req, res, url) => {
		const text = url.searchParams.get('text');
		const publisher = { jwt: serveGrip.getPublisher(), opaque, basic }[url.searchParams.get('as') ?? 'jwt'];
		await publisher.publishHttpStream('stream', new HttpStreamFormat(text));
		res.end('published\n');
	},
	'/answer': async (req, res, url) => {
		const body = url.searchParams.get('text');
		const format = new HttpResponseFormat({ code: 201, headers: { 'X-New': 'yes' }, body });
		await serveGrip.getPublisher().publishHttpResponse('poll', format, url.searchParams.get('id') ?? undefined);
		res.end('answered\n');
	},
	'/close': async (req, res) => {
		await serveGrip.getPublisher().publishHttpStream('stream', new HttpStreamFormat(null, true));
		res.end('closed\n');
	},
};

const server = http.createServer(async (req, res) => {
	try {
		const url = new URL(req.url, 'http://origin');
		if (url.pathname !== '/events' && !(await serveGrip.run(req, res))) {
			return;
		}
		await routes[url.pathname](req, res, url);
	} catch (err) {
		res.statusCode = 500;
		res.end(`${err}\n${JSON.stringify(err)}\n`);
	}
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit(0));
