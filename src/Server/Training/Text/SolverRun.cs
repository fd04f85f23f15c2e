namespace Atoll.Training.Text;

/// <summary>When a training has to be done.</summary>
internal sealed class TrainingDeadline(TimeProvider clock, TimeSpan? limit)
{
    private readonly long _start = clock.GetTimestamp();

    /// <summary>Whether more than a part of the time is gone.</summary>
    public bool Passed(double part = 1) => limit is { } most && clock.GetElapsedTime(_start) > most * part;
}

/// <summary>Runs a solver in epochs of shuffled rows until it stands still.</summary>
internal sealed class SolverRun(DualSolver solver, int rowCount, int seed, TrainingDeadline deadline)
{
    // The loss of an epoch is measured along the way, so it still falls a little when the weights have all but arrived.
    private const double SmallestChange = 0.005;
    private const int LeastEpochs = 3;

    private readonly Random _random = new(seed);
    private readonly int[] _order = [.. Enumerable.Range(0, rowCount)];
    private double _previous = double.NaN;
    private float _strength;
    private int _here;
    private bool _settled;

    /// <summary>Epochs so far.</summary>
    public int Count { get; private set; }

    /// <summary>One more epoch at this strength and its training loss, or null when it would change nothing worth having.</summary>
    /// <remarks>The state of the solver stays: a run continues from a weaker to a stronger setting.</remarks>
    public double? Next(float strength, int epochsMax, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!strength.Equals(_strength))
        {
            _strength = strength;
            _here = 0;
            _previous = double.NaN;
        }
        var settled = _here >= LeastEpochs && _settled;
        if (settled || _here >= epochsMax || (_here > 0 && deadline.Passed())) return null;
        _random.Shuffle(_order);
        var loss = solver.Epoch(_order, strength);
        _settled = Math.Abs(_previous - loss) <= SmallestChange * Math.Abs(loss);
        _previous = loss;
        _here++;
        Count++;
        return loss;
    }
}
