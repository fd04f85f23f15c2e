using Atoll.Contracts;
using Atoll.Serving.Onnx;

namespace Atoll.Training.Evaluation;

/// <summary>Collects the numbers that a model predicts, batch by batch, with their intervals where it has them.</summary>
internal sealed class ValuePredictions(OnnxSession session, int count)
{
    private readonly float[] _values = new float[count];
    private readonly int _valueOutput = Outputs.Find(session, "value");
    private readonly int _lowerOutput = session.IndexOfOutput("lower");
    private readonly int _upperOutput = session.IndexOfOutput("upper");
    private readonly float[] _lower = session.IndexOfOutput("lower") < 0 ? [] : new float[count];
    private readonly float[] _upper = session.IndexOfOutput("upper") < 0 ? [] : new float[count];

    /// <summary>Predicts the samples from <paramref name="first"/> on.</summary>
    public void Run(ReadOnlySpan<OnnxTensor> inputs, int first, int length)
    {
        var outputs = session.Run(inputs);
        try
        {
            Copy(outputs, _valueOutput, "value", _values, first, length);
            if (_lowerOutput >= 0) Copy(outputs, _lowerOutput, "lower", _lower, first, length);
            if (_upperOutput >= 0) Copy(outputs, _upperOutput, "upper", _upper, first, length);
        }
        finally
        {
            foreach (var output in outputs) output.Dispose();
        }
    }

    public EvaluationReport ToReport(ReadOnlySpan<float> actual) => RegressionMetrics.Compute(actual, _values, _lower, _upper);

    private static void Copy(OnnxTensor[] outputs, int output, string name, float[] target, int first, int length)
    {
        var values = outputs[output].Span<float>();
        if (values.Length != length)
            throw new InvalidOperationException($"The model gave {values.Length} elements of '{name}' for {length} samples.");
        Outputs.CheckFinite(values, name);
        values.CopyTo(target.AsSpan(first));
    }
}

/// <summary>Finds and checks a model's outputs.</summary>
internal static class Outputs
{
    public static int Find(OnnxSession session, string name)
    {
        var position = session.IndexOfOutput(name);
        return position >= 0 ? position : throw new InvalidOperationException($"The model has no output '{name}'.");
    }

    /// <summary>A model that gives no number for some sample must not look like one with a score.</summary>
    public static void CheckFinite(ReadOnlySpan<float> values, string name)
    {
        foreach (var value in values)
            if (!float.IsFinite(value)) throw new InvalidOperationException($"The model gave {value} in '{name}'.");
    }
}
