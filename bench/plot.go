package bench

import (
	"bytes"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// colors are of Ebb, the floor and the peers, apart for colour-blind eyes too.
var colors = map[string]color.Color{
	"Ebb":       color.RGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff},
	"floor (C)": color.RGBA{R: 0x88, G: 0x88, B: 0x88, A: 0xff},
	"nchan":     color.RGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff},
	"Pushpin":   color.RGBA{R: 0x00, G: 0x9e, B: 0x73, A: 0xff},
}

// Plot draws memory for a stream and CPU for a delivery, each over the number
// of streams, as one SVG.
func (r *Report) Plot() ([]byte, error) {
	servers := []*Server{r.Ebb}
	if r.Floor != nil {
		servers = append(servers, r.Floor)
	}
	servers = append(servers, r.Peers...)
	memory, err := panel("Memory per idle stream, KiB", servers, func(s *Server) []Point { return s.Memory }, 1024)
	if err != nil {
		return nil, err
	}
	cpu, err := panel("CPU per delivery, µs", servers, func(s *Server) []Point { return s.CPU }, 1000)
	if err != nil {
		return nil, err
	}
	canvas := vgsvg.New(24*vg.Centimeter, 9*vg.Centimeter)
	whole := draw.New(canvas)
	whole.FillPolygon(color.White, whole.ClipPolygonXY(corners(whole.Rectangle))) // readable on a dark page too
	tiles := draw.Tiles{Rows: 1, Cols: 2, PadX: vg.Centimeter, PadTop: 4 * vg.Millimeter, PadBottom: 4 * vg.Millimeter, PadLeft: 4 * vg.Millimeter, PadRight: 4 * vg.Millimeter}
	both := [][]*plot.Plot{{memory, cpu}}
	for i, c := range plot.Align(both, tiles, whole)[0] {
		both[0][i].Draw(c)
	}
	var b bytes.Buffer
	_, err = canvas.WriteTo(&b)
	return b.Bytes(), err
}

// panel draws one value of the servers that have it.
func panel(title string, servers []*Server, of func(*Server) []Point, unit float64) (*plot.Plot, error) {
	p := plot.New()
	for _, f := range []*font.Font{
		&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font,
	} {
		f.Variant = "Sans"
	}
	p.Title.Text = title
	p.Title.Padding = 2 * vg.Millimeter
	p.X.Label.Text = "streams"
	p.X.Min = 0
	p.Legend.Top = true
	p.Legend.Left = true
	p.Legend.Padding = vg.Millimeter
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal.Color = color.Gray{Y: 0xdd}
	p.Add(grid)
	for _, s := range servers {
		var points plotter.XYs
		for _, v := range of(s) {
			points = append(points, plotter.XY{X: float64(v.Streams), Y: max(v.Value/unit, 0)})
		}
		if len(points) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = colors[s.Name], vg.Points(1.5)
		dots.Color, dots.Shape = colors[s.Name], draw.CircleGlyph{}
		p.Add(line, dots)
		p.Legend.Add(s.Name, line, dots)
	}
	p.Y.Min = 0
	p.Y.Max *= 1.6 // room for the legend
	return p, nil
}

func corners(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Min.X, Y: r.Max.Y}, r.Max, {X: r.Max.X, Y: r.Min.Y}}
}
