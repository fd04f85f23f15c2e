using Atoll.Contracts;
using Atoll.Platform.Audio;
using Atoll.Serving.Onnx;

namespace Atoll.ModelImports;

/// <summary>Says what an imported model takes and gives. Models that read plain columns also answer rows; all answer tensors.</summary>
internal static class ImportedSignature
{
    public static bool IsKnown(TensorElementType type) => Datatypes.TryNameOf(type) is not null;

    public static ModelSignature Of(IReadOnlyList<OnnxValueInfo> inputs, IReadOnlyList<OnnxValueInfo> outputs, ModelFile read)
    {
        if (read.Signature is { } said && Fits(said, inputs, outputs)) return said;
        var task = inputs.All(IsColumn) ? TaskOf(outputs, read.Labels) : null;
        return new ModelSignature
        {
            Task = task ?? TaskKinds.Tensors,
            SampleType = task is null ? SampleTypes.Tensors : DatasetTypes.Tabular,
            Inputs = [.. inputs.Select(input => Spec(input) with { ColumnType = task is null ? null : input.Type == TensorElementType.Float ? ColumnTypes.Number : ColumnTypes.Text })],
            Outputs = [.. outputs.Select(Spec)],
            Labels = read.Labels,
        };
    }

    private static TensorSpec Spec(OnnxValueInfo value) =>
        new() { Name = value.Name, Datatype = Datatypes.NameOf(value.Type), Shape = value.HasShape ? value.Shape : [-1] };

    private static bool IsColumn(OnnxValueInfo input) =>
        input is { HasShape: true, Type: TensorElementType.Float or TensorElementType.String, Shape: [-1] or [-1, 1] };

    private static string? TaskOf(IReadOnlyList<OnnxValueInfo> outputs, IReadOnlyList<string>? labels)
    {
        if (outputs is [{ HasShape: true, Type: TensorElementType.Float, Shape: [-1] or [-1, 1] }]) return TaskKinds.Regression;
        if (labels is null || outputs.Count != 2) return null;
        var classes = outputs.Count(output => output is { HasShape: true, Type: TensorElementType.String or TensorElementType.Int64, Shape: [-1] });
        var scores = outputs.Count(output => output is { HasShape: true, Type: TensorElementType.Float, Shape: [-1, var count] } && count == labels.Count);
        return classes == 1 && scores == 1 ? TaskKinds.Classification : null;
    }

    /// <summary>What a file says of itself is believed as far as it can be checked: everything that predictions go by.</summary>
    private static bool Fits(ModelSignature said, IReadOnlyList<OnnxValueInfo> inputs, IReadOnlyList<OnnxValueInfo> outputs) =>
        AreSame(said.Inputs, inputs) && AreSame(said.Outputs, outputs) && HasNoGaps(said) && FitsSamples(said, inputs) && FitsTask(said, outputs);

    private static bool AreSame(IReadOnlyList<TensorSpec> said, IReadOnlyList<OnnxValueInfo> values) =>
        said.Count == values.Count && values.All(value => value.HasShape && said.Any(
            spec => spec is not null && spec.Name == value.Name && spec.Datatype == Datatypes.NameOf(value.Type) && spec.Shape.SequenceEqual(value.Shape)));

    private static bool HasNoGaps(ModelSignature said) =>
        said.Inputs.Select(input => input.Values).Append(said.Labels).Append(said.Unread).Append(said.Leaks).Append(said.MissingMarkers).OfType<IReadOnlyList<string>>().All(words => words.All(word => word is not null));

    private static bool FitsSamples(ModelSignature said, IReadOnlyList<OnnxValueInfo> inputs) => said.SampleType switch
    {
        DatasetTypes.Tabular => inputs.All(IsColumn),
        DatasetTypes.Text => inputs is [{ Type: TensorElementType.String, Shape: [-1] }],
        DatasetTypes.Image => inputs is [{ Type: TensorElementType.UInt8, Shape: [_, _, _, 3] }],
        DatasetTypes.Audio => said.SampleRate is >= WavFile.RateLeast and <= WavFile.RateMost && inputs is [{ Type: TensorElementType.Float, Shape: [_, -1] }],
        _ => false,
    };

    private static bool FitsTask(ModelSignature said, IReadOnlyList<OnnxValueInfo> outputs)
    {
        var labels = said.Labels?.Count ?? 0;
        bool Has(string name, TensorElementType type, params ReadOnlySpan<long> shape)
        {
            foreach (var output in outputs)
                if (output.Name == name) return output.Type == type && shape.SequenceEqual(output.Shape);
            return false;
        }
        bool MayHave(string name) => outputs.All(output => output.Name != name) || Has(name, TensorElementType.Float, -1);
        return said.Task switch
        {
            TaskKinds.Classification => labels > 0 && Has("label", TensorElementType.String, -1) && Has("probabilities", TensorElementType.Float, -1, labels),
            TaskKinds.MultiLabelClassification => labels > 0 && Has("selected", TensorElementType.Bool, -1, labels) && Has("probabilities", TensorElementType.Float, -1, labels),
            TaskKinds.EntityExtraction => labels > 0 && Has("label", TensorElementType.String, -1, -1) && Has("start", TensorElementType.Int64, -1, -1)
                && Has("end", TensorElementType.Int64, -1, -1) && Has("probability", TensorElementType.Float, -1, -1),
            TaskKinds.Regression => Has("value", TensorElementType.Float, -1) && MayHave("lower") && MayHave("upper"),
            _ => false,
        };
    }
}
