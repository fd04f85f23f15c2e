namespace Atoll.Platform;

/// <summary>Whether the server is warm: load balancers send traffic only then. It answers before that, too.</summary>
internal sealed class Readiness
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public bool IsReached => _reached.Task.IsCompleted;

    /// <summary>Completes when the server is ready.</summary>
    public Task Reached => _reached.Task;

    public void Reach() => _reached.TrySetResult();
}
