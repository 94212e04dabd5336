package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peers are the servers that Ebb can be measured beside.
var peers = map[string]func(ctx context.Context) (*target, error){
	"nchan":   startNchan,
	"pushpin": startPushpin,
}

// nginxConf is nchan as fast as it gets here. One worker: the client needs the
// other processor, and workers would have to tell each other.
const nginxConf = `%suser %s;
load_module %s;
daemon off;
pid nginx.pid;
error_log stderr crit;
worker_processes 1;
worker_rlimit_nofile 20000;
events { worker_connections 19900; }
http {
	access_log off;
	keepalive_requests 1000000000;
	keepalive_timeout 1h;
	nchan_shared_memory_size 512M;
	client_body_temp_path body;
	server {
		listen %s backlog=4096;
		location = /sub {
			nchan_subscriber eventsource;
			nchan_channel_id $arg_id;
			nchan_subscriber_first_message newest;
		}
	}
	server {
		listen %s;
		location = /pub {
			nchan_publisher;
			nchan_channel_id $arg_id;
			nchan_message_buffer_length 1000;
			nchan_message_timeout 10m;
		}
	}
}
`

func startNchan(ctx context.Context) (*target, error) {
	const module = "/usr/lib/nginx/modules/ngx_nchan_module.so"
	nginx, err := lookPath("nginx", "nginx-light")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(module); err != nil {
		return nil, errLeftOut("nchan is left out: apt-get install libnginx-mod-nchan")
	}
	t := &target{name: "nchan", version: packageVersion(ctx, "libnginx-mod-nchan")}
	control := ""
	conf := func() string {
		comment, user := "#", "nobody" // only root may choose
		if os.Getuid() == 0 {
			comment, user = "", "root"
		}
		return fmt.Sprintf(nginxConf, comment, user, module, t.streams, control)
	}
	err = errors.Join(t.makeDir(), free(&t.streams), free(&control))
	if err == nil {
		path := filepath.Join(t.dir, "nginx.conf")
		err = os.WriteFile(path, []byte(conf()), 0o600)
		if err == nil {
			t.measured, err = startAt(ctx, exec.Command(nginx, "-p", t.dir, "-c", path), t.streams, control)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("nchan: %w", err), t.stop())
	}
	t.paths = func(_ context.Context, users []int32) (paths []string, err error) {
		for _, u := range users {
			paths = append(paths, "/sub?id="+channel(u))
		}
		return paths, nil
	}
	client := publishers()
	t.publish = func(ctx context.Context, items []item) error {
		for _, it := range items { // it takes one at a time
			err := post(ctx, client, "http://"+control+"/pub?id="+channel(it.user), it.appendData(nil), http.StatusCreated, "Accept", "*/*")
			if err != nil {
				return err
			}
		}
		return nil
	}
	return t, nil
}

// pushpinConf has no limits that would throw events away, and zurl as a
// process of its own, which Debian's takes out.
const pushpinConf = `[global]
include={libdir}/internal.conf
rundir=%[1]s
ipc_prefix=bench-
stats_connection_ttl=600

[runner]
services=condure,zurl,pushpin-proxy,pushpin-handler
http_port=%[2]s
logdir=%[1]s
log_level=0
client_buffer_size=8192
client_maxconn=50000

[proxy]
routesfile=%[1]s/routes
zurl_out_specs=ipc://{rundir}/{ipc_prefix}zurl-in
zurl_out_stream_specs=ipc://{rundir}/{ipc_prefix}zurl-in-stream
zurl_in_specs=ipc://{rundir}/{ipc_prefix}zurl-out

[handler]
push_in_spec=ipc://{rundir}/{ipc_prefix}push
push_in_sub_specs=ipc://{rundir}/{ipc_prefix}sub
command_spec=ipc://{rundir}/{ipc_prefix}command
push_in_http_addr=127.0.0.1
push_in_http_port=%[3]s
message_rate=1000000000
message_hwm=1000000000
`

func startPushpin(ctx context.Context) (*target, error) {
	pushpin, err := lookPath("pushpin", "pushpin")
	if err != nil {
		return nil, err
	}
	t := &target{name: "Pushpin", version: packageVersion(ctx, "pushpin"), atOnce: 64}
	origin, err := startHolder(ctx)
	if err != nil {
		return nil, err
	}
	t.closers = append(t.closers, origin.Close)
	control := ""
	err = errors.Join(t.makeDir(), free(&t.streams), free(&control))
	if err == nil {
		_, port, _ := net.SplitHostPort(control)
		conf := fmt.Sprintf(pushpinConf, t.dir, t.streams, port)
		err = errors.Join(
			os.WriteFile(filepath.Join(t.dir, "pushpin.conf"), []byte(conf), 0o600),
			os.WriteFile(filepath.Join(t.dir, "routes"), []byte("* "+origin.addr+"\n"), 0o600),
		)
	}
	if err == nil {
		t.measured, err = startAt(ctx, withFiles(pushpin, "--config="+filepath.Join(t.dir, "pushpin.conf")), t.streams, control)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("pushpin: %w", err), t.stop())
	}
	t.paths = func(_ context.Context, users []int32) (paths []string, err error) {
		for _, u := range users {
			paths = append(paths, "/?channel="+channel(u))
		}
		return paths, nil
	}
	t.publish = gripPublisher("http://"+control+"/publish/", "")
	return t, nil
}

// holder is a back end that has every stream held, for a peer.
type holder struct {
	addr   string
	server *http.Server
}

func startHolder(context.Context) (*holder, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &holder{ln.Addr().String(), &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Grip-Hold", "stream")
		w.Header().Set("Grip-Channel", r.URL.Query().Get("channel"))
	})}}
	go func() { _ = h.server.Serve(ln) }() // ends with Close
	return h, nil
}

// Close ends it.
func (h *holder) Close() error { return h.server.Close() }

// makeDir makes the target's directory.
func (t *target) makeDir() (err error) {
	t.dir, err = os.MkdirTemp("", "ebb-bench-")
	return err
}

func free(addr *string) (err error) {
	*addr, err = freeAddr()
	return err
}

// withFiles is a command that may open as many files as the system lets it.
func withFiles(program, arg string) *exec.Cmd {
	return exec.Command("/bin/sh", "-c", `ulimit -n $(ulimit -H -n); exec "$0" "$@"`, program, arg)
}

// packageVersion is that of a Debian package, "" where there is none.
func packageVersion(ctx context.Context, pkg string) string {
	out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", pkg).Output()
	if err != nil {
		return ""
	}
	return string(out)
}

// lookPath finds a program of a Debian package.
func lookPath(program, pkg string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		for _, dir := range []string{"/usr/sbin/", "/usr/local/sbin/"} {
			if _, err := os.Stat(dir + program); err == nil {
				return dir + program, nil
			}
		}
		return "", errLeftOut(fmt.Sprintf("%s is left out: apt-get install %s", strings.TrimSuffix(pkg, "-light"), pkg))
	}
	return path, nil
}
