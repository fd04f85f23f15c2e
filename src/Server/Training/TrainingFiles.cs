namespace Atoll.Training;

/// <summary>Names of the files by which a training process and its parent speak.</summary>
internal static class TrainingFiles
{
    public const string Order = "order.json";
    public const string Model = "model.onnx";
    public const string Serving = "model.serving";
    public const string Result = "result.json";
}
