namespace Atoll.Training;

/// <summary>The data or the settings of a training cannot be learned from; the message is for the person who gave them.</summary>
/// <param name="message">What is wrong and what to change.</param>
/// <param name="sample">The number of the sample at fault, in the order in which the trainer was given them.</param>
/// <param name="innerException">What was found when the sample was read.</param>
internal sealed class TrainingRefusedException(string message, int? sample = null, Exception? innerException = null)
    : Exception(message, innerException)
{
    public int? Sample { get; } = sample;
}
