package kafka

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb"
)

// maxValue is the most that a compressed value may grow to.
const maxValue = 16 << 20

// record makes r a record as boxes know it: its value is JSON, whatever it was.
func record(r *kgo.Record, topicID [16]byte) ebb.Record {
	out := ebb.Record{
		Topic: r.Topic, TopicID: topicID, Partition: r.Partition, Offset: r.Offset, LeaderEpoch: r.LeaderEpoch,
		Timestamp: r.Timestamp, Key: r.Key, Value: decode(r.Value),
	}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, ebb.Header(h))
	}
	return out
}

// decode returns the JSON of gzip'd CBOR, and anything else as it is.
func decode(value []byte) []byte {
	if len(value) < 2 || value[0] != 0x1f || value[1] != 0x8b {
		return value
	}
	out, err := gunzip(value)
	if err != nil {
		return value
	}
	asStandard(out)
	var v any
	if err := cborIn.Unmarshal(out, &v); err != nil {
		return value
	}
	if v, err = toJSON(v); err != nil {
		return value
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return value
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// encode returns the gzip'd CBOR of JSON. What would come back with another
// number, or is no JSON, stays as it is: readers take both.
func encode(value []byte) []byte {
	if value == nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return value
	}
	if _, err := d.Token(); err != io.EOF {
		return value
	}
	v, err := toCBOR(v)
	if err != nil {
		return value
	}
	out, err := cbor.Marshal(v)
	if err != nil {
		return value
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err1 := z.Write(out)
	if errors.Join(err1, z.Close()) != nil {
		return value
	}
	return b.Bytes()
}

func gunzip(value []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(value))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(z, maxValue+1))
	if err == nil && len(out) > maxValue {
		err = errors.New("too large")
	}
	return out, err
}

// cborIn reads objects only with names that are strings, as JSON's are.
var cborIn = func() cbor.DecMode {
	mode, err := cbor.DecOptions{DefaultMapType: reflect.TypeFor[map[string]any](), BigIntDec: cbor.BigIntDecodePointer}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

// toJSON replaces what encoding/json would write in another way.
func toJSON(v any) (_ any, err error) {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			if v[k], err = toJSON(v[k]); err != nil {
				return nil, err
			}
		}
	case []any:
		for i := range v {
			if v[i], err = toJSON(v[i]); err != nil {
				return nil, err
			}
		}
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, nil
		}
		return json.Number(strconv.FormatFloat(v, 'g', -1, 64)), nil
	case cbor.Tag:
		if parts, ok := v.Content.([]any); ok && v.Number == 4 && len(parts) == 2 { // a decimal fraction
			return json.Number(fmt.Sprintf("%ve%v", parts[1], parts[0])), nil
		}
		return toJSON(v.Content)
	}
	return v, nil
}

// toCBOR replaces the numbers of parsed JSON, or says that one would change.
func toCBOR(v any) (_ any, err error) {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			if v[k], err = toCBOR(v[k]); err != nil {
				return nil, err
			}
		}
	case []any:
		for i := range v {
			if v[i], err = toCBOR(v[i]); err != nil {
				return nil, err
			}
		}
	case json.Number:
		text := v.String()
		if text == "-0" {
			return math.Copysign(0, -1), nil
		}
		if !strings.ContainsAny(text, ".eE") {
			n, ok := new(big.Int).SetString(text[:min(len(text), 1000)], 10)
			if !ok || len(text) > 1000 {
				return nil, errors.New("no integer of a reasonable size")
			}
			return jackson(n), nil
		}
		f, err := v.Float64()
		if err != nil || digits(text) != digits(strconv.FormatFloat(f, 'e', -1, 64)) {
			return nil, errors.New("no double")
		}
		return f, nil
	}
	return v, nil
}

// digits writes a number so that equal ones are equal texts.
func digits(number string) string {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	sign := strings.HasPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	e, _ := strconv.Atoi(strings.TrimPrefix(exponent, "+"))
	all := whole + fraction
	kept := strings.TrimRight(all, "0")
	e += len(all) - len(kept) - len(fraction)
	if kept = strings.TrimLeft(kept, "0"); kept == "" {
		return "0"
	}
	return fmt.Sprint(sign, kept, "e", e)
}
