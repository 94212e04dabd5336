// The least that sending an event to many streams can cost: one epoll loop, one
// write(2) for each stream. What comes on the standard input (four bytes of
// length, the highest first, and as many bytes) goes to every stream as it is.
// Ends with its input.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 65536 /* descriptors, and bytes of an event */

static char streams[MOST]; /* by descriptor: 1 if answered */
static int highest;

static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

static void fail(const char *what) { perror(what); exit(1); }

static void watch(int epoll, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0) fail("epoll_ctl");
}

static void welcome(int epoll, int listener)
{
	int fd, one = 1;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		watch(epoll, fd);
		if (fd > highest) highest = fd;
	}
	if (errno != EAGAIN && errno != ECONNABORTED) fail("accept4");
}

static void attend(int fd)
{
	char b[4096];
	ssize_t n = read(fd, b, sizeof b);
	if (n > 0 && !streams[fd]) {
		streams[fd] = 1;
		n = write(fd, head, sizeof head - 1);
	}
	if (n <= 0) {
		streams[fd] = 0;
		close(fd);
	}
}

static void exactly(char *b, size_t want)
{
	while (want > 0) {
		ssize_t n = read(0, b, want);
		if (n <= 0) exit(0);
		b += n;
		want -= n;
	}
}

static void broadcast(void)
{
	static char b[MOST];
	unsigned char len[4];
	exactly((char *)len, 4);
	size_t n = (size_t)len[0] << 24 | len[1] << 16 | len[2] << 8 | len[3];
	if (n > sizeof b) exit(1);
	exactly(b, n);
	for (int fd = 0; fd <= highest; fd++)
		if (streams[fd] && write(fd, b, n) != (ssize_t)n) fail("write");
}

int main(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof addr;
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max < MOST ? files.rlim_max : MOST;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (bind(listener, (struct sockaddr *)&addr, size) < 0 || listen(listener, 4096) < 0) fail("listen");
	getsockname(listener, (struct sockaddr *)&addr, &size);
	watch(epoll, listener);
	watch(epoll, 0);
	printf("ready http://127.0.0.1:%d\n", ntohs(addr.sin_port));
	fflush(stdout);
	for (;;) {
		struct epoll_event ready[1024];
		int n = epoll_wait(epoll, ready, 1024, -1);
		for (int i = 0; i < n; i++) {
			int fd = ready[i].data.fd;
			if (fd == listener) welcome(epoll, listener);
			else if (fd == 0) broadcast();
			else attend(fd);
		}
	}
}
