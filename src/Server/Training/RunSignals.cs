using System.Collections.Concurrent;

namespace Atoll.Training;

/// <summary>Wakes those who follow a run when something about it changed in the database.</summary>
internal sealed class RunSignals
{
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _waiting = new();

    /// <summary>Completes at the next change. Take it before reading the database, so that no change is missed.</summary>
    public Task NextChange(string runId) =>
        _waiting.GetOrAdd(runId, static _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    /// <summary>Runs that somebody waits for, or did until lately.</summary>
    internal int Count => _waiting.Count;

    public void Notify(string runId)
    {
        if (_waiting.TryRemove(runId, out var waiting)) waiting.SetResult();
    }
}
