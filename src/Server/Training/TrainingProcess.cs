namespace Atoll.Training;

/// <summary>The child process in which a model is trained: <c>atoll train-worker FOLDER</c>.</summary>
internal static class TrainingProcess
{
    public const string Verb = "train-worker";
}
