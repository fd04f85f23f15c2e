namespace Atoll.Platform.Jobs;

/// <summary>Does the jobs of one kind. Made anew for every attempt, in a scope that works for the job's tenant.</summary>
internal interface IJobHandler
{
    /// <summary>Does the work. Results are stored by the handler, whole, before it returns.</summary>
    /// <param name="cancellationToken">
    /// Signals that the job was cancelled or the server stops; the handler undoes what is half-done and throws
    /// <see cref="OperationCanceledException"/>.
    /// </param>
    /// <exception cref="JobRefusedException">Another attempt would fail alike; the message is for the tenant.</exception>
    Task RunAsync(JobAttempt attempt, CancellationToken cancellationToken);

    /// <summary>Called when an attempt is over and the job waits for another one: the subject's row must not say that somebody works on it.</summary>
    /// <param name="error">Why the attempt failed; null when only the server stopped.</param>
    Task RequeueAsync(JobAttempt attempt, string? error, CancellationToken cancellationToken);

    /// <summary>Called once when the job will not be tried again: brings the subject's row to its end.</summary>
    Task EndAsync(JobAttempt attempt, JobState state, string? error, CancellationToken cancellationToken);
}

/// <summary>One try of a job.</summary>
internal sealed record JobAttempt(string JobId, string TenantId, string Kind, string Subject, int Number, int AttemptsMax);

/// <summary>The job cannot succeed, however often it is tried.</summary>
internal sealed class JobRefusedException(string message) : Exception(message);

/// <summary>A kind of job.</summary>
/// <param name="Kind">As in <see cref="Job.Kind"/>.</param>
/// <param name="Lane">Lane whose slots it uses.</param>
/// <param name="Handler">Type of the <see cref="IJobHandler"/>.</param>
internal sealed record JobKind(string Kind, string Lane, Type Handler);

/// <summary>A lane and how many jobs it runs at a time.</summary>
internal sealed record JobLane(string Name, int Slots);

/// <summary>How modules register jobs.</summary>
internal static class JobRegistration
{
    public static void AddJobKind(this IServiceCollection services, JobKind kind)
    {
        services.AddScoped(kind.Handler);
        services.AddSingleton(kind);
    }

    public static void AddJobLane(this IServiceCollection services, string lane, int slots) => services.AddSingleton(new JobLane(lane, slots));
}
