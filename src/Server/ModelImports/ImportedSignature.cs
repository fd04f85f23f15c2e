using Atoll.Contracts;
using Atoll.Serving.Onnx;

namespace Atoll.ModelImports;

/// <summary>Says what an imported model takes and gives. Models that read plain columns also answer rows; all answer tensors.</summary>
internal static class ImportedSignature
{
    public static bool IsKnown(TensorElementType type) => Datatypes.TryNameOf(type) is not null;

    public static ModelSignature Of(IReadOnlyList<OnnxValueInfo> inputs, IReadOnlyList<OnnxValueInfo> outputs, ModelFile read)
    {
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
}
