namespace Atoll.Training;

/// <summary>The examples or the parameters cannot be trained on; the message says what to change.</summary>
internal sealed class TrainingException(string message) : Exception(message);
