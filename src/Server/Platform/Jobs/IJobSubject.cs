namespace Atoll.Platform.Jobs;

/// <summary>The row that a job works for, as far as waiting for its end and cancelling it need to know.</summary>
internal interface IJobSubject
{
    string Id { get; }

    bool IsEnded { get; }

    /// <summary>Brings a row that has not ended to its end.</summary>
    void Cancel(DateTime nowUtc);
}
