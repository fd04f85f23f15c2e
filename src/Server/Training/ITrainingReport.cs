namespace Atoll.Training;

/// <summary>Where a trainer tells how it gets on. Implementations write to the parent process or to a test's list.</summary>
internal interface ITrainingReport
{
    /// <summary>Fraction done, 0 to 1, of the stage named.</summary>
    void Progress(string stage, double fraction);

    /// <summary>One point of a learning curve, such as <c>validation/accuracy</c> at epoch 3.</summary>
    void Metric(string name, double value, int step);

    /// <summary>A line for the run's log.</summary>
    void Log(string message);
}

/// <summary>Keeps nothing.</summary>
internal sealed class SilentTrainingReport : ITrainingReport
{
    public void Progress(string stage, double fraction)
    {
    }

    public void Metric(string name, double value, int step)
    {
    }

    public void Log(string message)
    {
    }
}
