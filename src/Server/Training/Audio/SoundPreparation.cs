using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;

namespace Atoll.Training.Audio;

/// <summary>From samples at one rate to a picture of them, as graph nodes: how loud each band of frequencies is from moment to moment.</summary>
/// <remarks>
/// Training sounds are prepared by running these very nodes, so that a model in production sees what it would have been trained on.
/// A spectrum each 16 ms over 32 ms, summed into bands by the mel scale, in nepers of power below the loudest band and moment. Sounds
/// that are shorter than the picture get silence around them; of longer ones the loudest stretch is taken.
/// </remarks>
/// <param name="Rate">Samples a second.</param>
/// <param name="Frames">Moments of the picture.</param>
/// <param name="Pool">Spectra of which a moment is the mean.</param>
internal sealed record SoundPreparation(int Rate, int Frames, int Pool)
{
    public const int Bands = 48;

    /// <summary>What is 80 dB below the loudest band and moment, or less, is silence.</summary>
    public const float Floor = -18.5f;

    // Spectra begin each 16 ms and look at twice that, a power of two at the rates that are used.
    private const int HopsPerSecondTimes2 = 125;

    private const double LowestHertz = 40;

    // Of full scale, about -100 dB: what is quieter as a whole is not made louder.
    private const float QuietestPeak = -13.8f;

    // So that there is a logarithm of digital silence.
    private const float LeastPower = 1e-15f;

    /// <summary>Samples from one spectrum to the next.</summary>
    public int Hop => Rate * 2 / HopsPerSecondTimes2;

    /// <summary>Samples of a spectrum.</summary>
    public int Window => 2 * Hop;

    /// <summary>How much of a sound is seen.</summary>
    public double Seconds => (double)SamplesSeen / Rate;

    public int SamplesSeen => (Frames * Pool - 1) * Hop + Window;

    private int Bins => Window / 2 + 1;

    /// <summary>A picture that shows so many seconds, with at most so many moments.</summary>
    public static SoundPreparation For(int rate, double seconds, int framesMost)
    {
        // A whole number of eights stays whole through three halvings.
        const int multiple = 8;
        var one = new SoundPreparation(rate, 1, 1);
        var spectra = Math.Max(1, (int)Math.Ceiling((seconds * rate - one.Window) / one.Hop) + 1);
        var pool = (spectra + framesMost - 1) / framesMost;
        var frames = (spectra + pool - 1) / pool;
        return new SoundPreparation(rate, Math.Max(2, (frames + multiple - 1) / multiple) * multiple, pool);
    }

    /// <summary>Adds the nodes: FP32 [N, samples] becomes FP32 [N, 1, Bands, Frames], from <see cref="Floor"/> to 0.</summary>
    public string Write(OnnxGraphBuilder graph, string samples)
    {
        // Standard operators and no loops, so that models share the graph.
        var length = graph.Node("Shape", [samples], OnnxGraphBuilder.Attribute("start", 1L), OnnxGraphBuilder.Attribute("end", 2L));
        var zero = graph.Constant("zero", [0L], 1);
        var missing = graph.Node("Max", [graph.Node("Sub", [graph.Constant("seen", [(long)SamplesSeen], 1), length]), zero]);
        var before = graph.Node("Div", [missing, graph.Constant("two", [2L], 1)]);
        var pads = graph.Node("Concat", [zero, before, zero, graph.Node("Sub", [missing, before])], OnnxGraphBuilder.Attribute("axis", 0L));
        var padded = graph.Node("Pad", [samples, pads]);
        var signal = graph.Node("Unsqueeze", [padded, graph.Constant("last", [2L], 1)]);

        var spectra = graph.Node(
            "STFT", [signal, graph.Scalar("hop", (long)Hop), graph.Constant("window", MakeWindow(Window), Window), graph.Scalar("length", (long)Window)],
            OnnxGraphBuilder.Attribute("onesided", 1L));
        var power = graph.Node("ReduceSum", [graph.Node("Mul", [spectra, spectra]), graph.Constant("parts", [3L], 1)], Keep(false));
        var bands = graph.Node("MatMul", [power, graph.Constant("bands", MakeBands(), Bins, Bands)]);
        var planar = graph.Node("Transpose", [bands], OnnxGraphBuilder.Attribute("perm", [0L, 2, 1]));
        if (Pool > 1) planar = Mean(graph, planar, Pool, Pool);

        // Where it is loudest: the power of each stretch of the picture's length.
        var energy = graph.Node("ReduceSum", [planar, graph.Constant("band", [1L], 1)], Keep(true));
        var start = graph.Node("ArgMax", [Mean(graph, energy, Frames, 1)], OnnxGraphBuilder.Attribute("axis", 2L), Keep(true));
        var moments = graph.Node("Add", [start, graph.Constant("moments", [.. Enumerable.Range(0, Frames).Select(i => (long)i)], 1, 1, Frames)]);
        var batch = graph.Node("Shape", [planar], OnnxGraphBuilder.Attribute("end", 1L));
        var shape = graph.Node("Concat", [batch, graph.Constant("shape", [(long)Bands, Frames], 2)], OnnxGraphBuilder.Attribute("axis", 0L));
        var loudest = graph.Node("GatherElements", [planar, graph.Node("Expand", [moments, shape])], OnnxGraphBuilder.Attribute("axis", 2L));

        var logarithms = graph.Node("Log", [graph.Node("Max", [loudest, graph.Scalar("least", LeastPower)])]);
        var peak = graph.Node(
            "Max", [graph.Node("ReduceMax", [logarithms, graph.Constant("picture", [1L, 2], 2)], Keep(true)), graph.Scalar("quietest", QuietestPeak)]);
        var relative = graph.Node("Max", [graph.Node("Sub", [logarithms, peak]), graph.Scalar("floor", Floor)]);
        return graph.Node("Unsqueeze", [relative, graph.Constant("channel", [1L], 1)]);
    }

    /// <summary>A model of these nodes alone.</summary>
    public OnnxSession Load()
    {
        var graph = new OnnxGraphBuilder("preparation");
        var prepared = Write(graph, graph.Input("audio", TensorElementType.Float, "N", "samples"));
        graph.Output("prepared", prepared, TensorElementType.Float, "N", 1, Bands, Frames);
        return OnnxSession.Load(graph.ToBytes());
    }

    /// <summary>Hann's window.</summary>
    public static float[] MakeWindow(int length)
    {
        var window = new float[length];
        for (var i = 0; i < length; i++) window[i] = (float)(0.5 - 0.5 * Math.Cos(2 * Math.PI * i / length));
        return window;
    }

    /// <summary>[bins, bands]: triangles that overlap by half, of equal width on the mel scale.</summary>
    public float[] MakeBands()
    {
        var (low, high) = (Mel(LowestHertz), Mel(Rate / 2.0));
        var matrix = new float[Bins * Bands];
        for (var bin = 0; bin < Bins; bin++)
        {
            var place = (Mel((double)bin * Rate / Window) - low) / (high - low) * (Bands + 1);
            for (var band = 0; band < Bands; band++) matrix[bin * Bands + band] = (float)Math.Max(0, 1 - Math.Abs(place - band - 1));
        }
        return matrix;
    }

    private static double Mel(double hertz) => 2595 * Math.Log10(1 + hertz / 700);

    private static string Mean(OnnxGraphBuilder graph, string planar, int length, int stride) => graph.Node(
        "AveragePool", [planar], OnnxGraphBuilder.Attribute("kernel_shape", [(long)length]), OnnxGraphBuilder.Attribute("strides", [(long)stride]));

    private static AttributeProto Keep(bool keep) => OnnxGraphBuilder.Attribute("keepdims", keep ? 1L : 0);
}
